using System.Text.Json;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests.Cli;

public sealed class ProfileVerbTests : IDisposable
{
    readonly TinyModel model = new();

    [Fact]
    public void A_profiled_verb_does_what_it_does_alone_and_leaves_a_profile()
    {
        string profiled = model.NewPlace(), alone = model.NewPlace(), pictures = model.NewPlace();
        string[] verb = ["generate", "--model", model.Folder, "--prompt", "a face", "--steps", "2", "--threads", "1", "--out"];
        Captured run = Captured.Ilgd(["profile", "--out", profiled, "--", .. verb, pictures]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(0, Captured.Ilgd([.. verb, alone]).Code);
        Assert.Equal(File.ReadAllBytes(Path.Combine(alone, "01-a-face.png")), File.ReadAllBytes(Path.Combine(pictures, "01-a-face.png")));

        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(profiled, "profile.json")));
        // The text is encoded, two steps denoise, the picture is decoded.
        Assert.Equal(4, json.RootElement.GetProperty("steps").GetInt32());
        string[] operations = [.. json.RootElement.GetProperty("operations").EnumerateArray().Select(o => o.GetProperty("operation").GetString()!)];
        Assert.Contains("Conv2d.Forward", operations);
        Assert.Contains("Attention.Forward", operations);
        Assert.All(operations, o => Assert.Contains(o, run.Output, StringComparison.Ordinal));
        Assert.True(json.RootElement.GetProperty("peak_bytes").GetProperty("unet").GetInt64() > 0);
        Assert.All(["trace.json", "roofline.svg", "memory.svg"], file => Assert.True(new FileInfo(Path.Combine(profiled, file)).Length > 500, file));
    }

    [Fact]
    public void After_the_steps_asked_for_the_verb_ends_and_leaves_nothing_half_done()
    {
        string profiled = model.NewPlace(), pictures = model.NewPlace();
        Captured run = Captured.Ilgd(
            "profile", "--steps", "3", "--out", profiled, "--", "personalize", model.Photo, "--model", model.Folder, "--threads", "1", "--out", pictures);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("3 steps", run.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(pictures));
    }

    [Theory]
    [InlineData("names no verb that can be profiled", "profile")]
    [InlineData("names no verb that can be profiled", "kernels")]
    [InlineData("launched nothing on a device", "devices")]
    [InlineData("nonsense", "generate", "--nonsense")]
    public void What_cannot_be_profiled_is_told_in_one_line(string message, params string[] verb)
    {
        Captured run = Captured.Ilgd(["profile", "--out", model.NewPlace(), "--", .. verb]);
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.OneLine(), StringComparison.Ordinal);
    }

    public void Dispose() => model.Dispose();
}
