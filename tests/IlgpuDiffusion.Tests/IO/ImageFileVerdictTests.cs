using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.IO;

/// Pillow's verdict and pixels for every file of fixtures/images. Equal, but for two things:
/// JPEG decoders may differ by 2 levels (verdicts.json says so; here they agree);
/// 16-bit gray, which Pillow clips at 255 (a white picture), is taken by its high byte, as Pillow itself does for 16-bit RGB.
[Trait("Category", "Fixtures")]
public sealed class ImageFileVerdictTests
{
    [Fact]
    public void Every_picture_is_read_as_Pillow_reads_it_or_refused_where_Pillow_refuses()
    {
        string folder = Shared.Require("fixtures", "images");
        using JsonDocument verdicts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "verdicts.json")));
        using FixtureFile decoded = new(Path.Combine(folder, "decoded.safetensors"));
        List<string> wrong = [];
        int files = 0;
        foreach (JsonElement row in verdicts.RootElement.GetProperty("files").EnumerateArray())
        {
            string file = row.GetProperty("file").GetString()!;
            string? problem = row.TryGetProperty("error", out _) ? Refused(Path.Combine(folder, file)) : Compare(Path.Combine(folder, file), decoded, row);
            if (problem is not null)
                wrong.Add($"{file} ({row.GetProperty("about").GetString()}): {problem}");
            files++;
        }

        Assert.True(files > 0);
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    static string? Refused(string path)
    {
        try
        {
            RgbImage image = ImageFile.Load(path);
            return $"read as {image.Width} x {image.Height}, expected to be refused";
        }
        catch (IlgdException e)
        {
            return e.Message.StartsWith(path, StringComparison.Ordinal) && !e.Message.Contains('\n') ? null : $"not one line that names the file: {e.Message}";
        }
    }

    static string? Compare(string path, FixtureFile decoded, JsonElement row)
    {
        RgbImage image;
        try
        {
            image = ImageFile.Load(path);
        }
        catch (IlgdException e)
        {
            return e.Message;
        }

        string name = Path.GetFileName(path).Replace('.', '_');
        (int width, int height) = (row.GetProperty("rgb_size")[0].GetInt32(), row.GetProperty("rgb_size")[1].GetInt32());
        if ((image.Width, image.Height) != (width, height))
            return $"{image.Width} x {image.Height}, expected {width} x {height}";
        long[] expected = decoded.Has(name, "raw16")
            ? [.. decoded.Longs(name, "raw16").SelectMany(v => Enumerable.Repeat(v >> 8, 3))]
            : decoded.Longs(name, "rgb");
        int allowed = row.GetProperty("format").GetString() == "JPEG" ? 2 : 0;
        long[] difference = [.. image.Pixels.Zip(expected, (a, b) => Math.Abs(a - b))];
        return difference.Max() <= allowed ? null : $"differs by up to {difference.Max()}, on average by {difference.Average():G3}";
    }
}
