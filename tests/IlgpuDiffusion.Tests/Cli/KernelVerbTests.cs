using System.Text.Json;

namespace IlgpuDiffusion.Tests.Cli;

public class KernelVerbTests
{
    [Fact]
    public void List_names_every_kernel_with_a_file_that_is_there()
    {
        Captured run = Captured.Ilgd("kernels", "list", "--json");
        Assert.True(run.Code == 0, run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.True(json.RootElement.GetArrayLength() > 60);
        string root = Repository();
        foreach (JsonElement kernel in json.RootElement.EnumerateArray())
            Assert.True(File.Exists(Path.Combine(root, kernel.GetProperty("file").GetString()!)), kernel.ToString());
        Assert.Contains("kernels/Norm/LayerNorm.cs", Captured.Ilgd("kernels", "list").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MatMul.Forward", "V2", "sm_80", "bar.sync")]
    [InlineData("MatMul.Forward", "V2", "opencl", "work_group_barrier")]
    [InlineData("Attention.Forward", "TensorCore", "sm_90", "mma.sync.aligned.m16n8k16")]
    public void Dump_prints_the_text_with_no_driver(string name, string version, string target, string part)
    {
        Captured run = Captured.Ilgd("kernels", "dump", name, "--version", version, "--target", target);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("has the versions V1, V2: choose one with --version", "MatMul.Forward")]
    [InlineData("no kernel is named 'LayerNorm': there is LayerNorm.Backward", "LayerNorm")]
    [InlineData("does not run on opencl", "Attention.Forward", "--version", "TensorCore", "--target", "opencl")]
    public void What_cannot_be_dumped_is_told_in_one_line(string message, params string[] arguments)
    {
        Captured run = Captured.Ilgd(["kernels", "dump", .. arguments]);
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.OneLine(), StringComparison.Ordinal);
    }

    static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "IlgpuDiffusion.sln")))
            folder = folder.Parent;
        if (folder is null)
            Assert.Skip("the sources are not beside the tests");
        return folder.FullName;
    }
}
