using System.Text.Json;
using IlgpuDiffusion.Diagnostics;

namespace IlgpuDiffusion.Tests.Diagnostics;

public sealed class MetricsWriterTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-metrics-").FullName;

    string PathOfFile => Path.Combine(folder, "run", "metrics.jsonl");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_line_is_one_json_object_readable_while_the_run_goes_on()
    {
        using MetricsWriter writer = new(PathOfFile);
        writer.Write(1, ("train/loss", 0.5), ("lr/unet", 1e-5));
        writer.Write(2, ("train/loss", double.NaN));

        JsonElement[] lines = [.. Lines().Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Equal(2, lines.Length);
        Assert.Equal(1, lines[0].GetProperty("step").GetInt32());
        Assert.Equal(1e-5, lines[0].GetProperty("lr/unet").GetDouble());
        Assert.Equal(JsonValueKind.Null, lines[1].GetProperty("train/loss").ValueKind);
    }

    [Fact]
    public void Resuming_drops_what_comes_again_and_a_torn_last_line()
    {
        using (MetricsWriter writer = new(PathOfFile))
        {
            for (int step = 0; step < 5; step++)
                writer.Write(step, ("loss", step));
        }
        File.AppendAllText(PathOfFile, """{"step":5,"lo""");

        using (MetricsWriter writer = new(PathOfFile, resumeAtStep: 3))
            writer.Write(3, ("loss", 30));

        Assert.Equal([0, 1, 2, 30], Lines().Select(l => JsonDocument.Parse(l).RootElement.GetProperty("loss").GetInt32()));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(PathOfFile)!));
    }

    [Fact]
    public void Resuming_over_a_file_that_is_not_metrics_names_the_line()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOfFile)!);
        File.WriteAllText(PathOfFile, "{\"step\":0}\nhello\n{\"step\":1}\n");

        Assert.Contains("line 2", Assert.Throws<IlgdException>(() => new MetricsWriter(PathOfFile, resumeAtStep: 1)).Message);
    }

    string[] Lines()
    {
        using StreamReader reader = new(new FileStream(PathOfFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
