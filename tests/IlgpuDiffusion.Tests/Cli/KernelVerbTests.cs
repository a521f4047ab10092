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
    [InlineData("Attention.Forward<Head64>", "TensorCore", "sm_90", "mma.sync.aligned.m16n8k16")]
    public void Dump_prints_the_text_with_no_driver(string name, string version, string target, string part)
    {
        Captured run = Captured.Ilgd("kernels", "dump", name, "--version", version, "--target", target);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Dump_specialises_for_a_size_of_group()
    {
        Assert.Contains(".maxntid 128", Captured.Ilgd("kernels", "dump", "LayerNorm.Forward", "--specialize", "128").Output, StringComparison.Ordinal);
        Assert.DoesNotContain(".maxntid 128", Captured.Ilgd("kernels", "dump", "LayerNorm.Forward").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_checks_and_counts()
    {
        Captured run = Captured.Ilgd("kernels", "run", "MatMul.Forward", "--version", "V2", "--device", "ptx-sim", "--shape", "M=16,N=16,K=16");
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("right", run.Output, StringComparison.Ordinal);
        // 4 groups, 2 steps of the inner extent, 2 barriers a step.
        Assert.Contains("0 bank conflicts; 16 barriers", run.Output, StringComparison.Ordinal);

        Captured part = Captured.Ilgd("kernels", "run", "GroupNorm.Statistics", "--device", "ptx-sim", "--json");
        Assert.True(part.Code == 0, part.Error);
        using JsonDocument json = JsonDocument.Parse(part.Output);
        Assert.Equal("GroupNorm.Forward", json.RootElement.GetProperty("operation").GetString());
        Assert.Equal(2, json.RootElement.GetProperty("counts").GetArrayLength());
    }

    [Fact]
    public void Run_times_beside_the_measured_roof()
    {
        Captured run = Captured.Ilgd("kernels", "run", "Add.Forward", "--shape", "N=100", "--threads", "1", "--json");
        Assert.True(run.Code == 0, run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement root = json.RootElement;
        double us = root.GetProperty("time").GetProperty("median_us").GetDouble(), bytes = root.GetProperty("work").GetProperty("bytes").GetDouble();
        Assert.Equal(1200, bytes);
        Assert.Equal(bytes / us / 1e3, root.GetProperty("g_bytes_per_second").GetDouble(), 6);
        double floor = Math.Max(100 / root.GetProperty("roof").GetProperty("flops_per_second").GetDouble(), bytes / root.GetProperty("roof").GetProperty("bytes_per_second").GetDouble());
        Assert.Equal(floor / us * 1e6, root.GetProperty("share_of_roof").GetDouble(), 6);
    }

    [Theory]
    [InlineData("has the versions V1, V2: choose one with --version", "MatMul.Forward")]
    [InlineData("no kernel is named 'LayerNorm': there is LayerNorm.Backward", "LayerNorm")]
    [InlineData("does not run on opencl", "Attention.Forward<Head64>", "--version", "TensorCore", "--target", "opencl")]
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
