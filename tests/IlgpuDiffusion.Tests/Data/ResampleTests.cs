using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Data;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Data;

/// Every case of vision/resize.safetensors: Pillow's resizing and torch's, and the preprocessing built on the first.
[Trait("Category", "Fixtures")]
public sealed class ResampleTests
{
    // Family `interpolate` of fixtures/README.md.
    const double Tolerance = 2e-5;

    [Fact]
    public void Every_case_of_the_fixture_comes_out()
    {
        using FixtureFile file = FixtureFile.Open("vision", "resize.safetensors");
        Assert.NotEmpty(file.Cases);
        Assert.All(file.Cases, name =>
        {
            JsonElement attributes = file.Attributes(name);
            if (attributes.TryGetProperty("processor", out _))
                CheckPreprocessing(file, name, attributes);
            else if (attributes.TryGetProperty("filter", out _))
                CheckPillow(file, name, attributes);
            else if (attributes.TryGetProperty("mode", out _))
                CheckTorch(file, name, attributes);
            else
                Assert.EndsWith("source", name);
        });
    }

    static void CheckPillow(FixtureFile file, string name, JsonElement attributes)
    {
        ResampleFilter filter = Enum.Parse<ResampleFilter>(attributes.GetProperty("filter").GetString()!, ignoreCase: true);
        (int height, int width) = (attributes.GetProperty("height").GetInt32(), attributes.GetProperty("width").GetInt32());
        (double, double, double, double)? box = attributes.TryGetProperty("box", out JsonElement b)
            ? (b[0].GetDouble(), b[1].GetDouble(), b[2].GetDouble(), b[3].GetDouble())
            : null;
        RgbImage source = Picture(file, "source");
        Assert.Equal(file.Bytes(name, "rgb"), Resample.Resize(source.Pixels, source.Height, source.Width, 3, height, width, filter, box));
        if (file.Has(name, "float_gray"))
        {
            float[] gray = file.Floats("source", "float_gray");
            Tol.Close(Resample.Resize(gray, source.Height, source.Width, 1, height, width, filter, box), file.Floats(name, "float_gray"), 1e-6, name);
        }
    }

    static void CheckTorch(FixtureFile file, string name, JsonElement attributes)
    {
        string mode = attributes.GetProperty("mode").GetString()!;
        (int height, int width) = (attributes.GetProperty("size")[0].GetInt32(), attributes.GetProperty("size")[1].GetInt32());
        RgbImage source = Picture(file, "source");
        float[] pixels = Array.ConvertAll(source.Pixels, p => p / 255f);
        bool antialias = attributes.TryGetProperty("antialias", out JsonElement smooth) && smooth.GetBoolean();
        bool corners = attributes.TryGetProperty("align_corners", out JsonElement aligned) && aligned.GetBoolean();
        float[] resized = antialias
            ? Resample.Resize(pixels, source.Height, source.Width, 3, height, width, Enum.Parse<ResampleFilter>(mode, ignoreCase: true))
            : Interpolate.Resize(pixels, source.Height, source.Width, 3, height, width, Enum.Parse<InterpolateMode>(mode.Replace("-", ""), ignoreCase: true), corners);
        Tol.Close(ToPlanes(resized, 3), file.Floats(name, "y"), Tolerance, name);
    }

    // The fixture's attributes are those of the file that transformers writes, under shorter names.
    static void CheckPreprocessing(FixtureFile file, string name, JsonElement attributes)
    {
        JsonElement crop = attributes.GetProperty("crop");
        bool crops = crop.ValueKind == JsonValueKind.Object;
        JsonObject config = new()
        {
            ["size"] = JsonNode.Parse(attributes.GetProperty("size").GetRawText()),
            ["do_center_crop"] = crops,
            ["resample"] = attributes.GetProperty("resample").GetInt32(),
            ["image_mean"] = JsonNode.Parse(attributes.GetProperty("mean").GetRawText()),
            ["image_std"] = JsonNode.Parse(attributes.GetProperty("std").GetRawText()),
        };
        if (crops)
            config["crop_size"] = JsonNode.Parse(crop.GetRawText());
        string folder = Directory.CreateTempSubdirectory("ilgd-preprocessing-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), config.ToJsonString());
            int size = file.Tensor(name, "u8").Shape[0];
            ImagePreprocessing preprocessing = ImagePreprocessing.Load(folder, size);
            RgbImage source = Picture(file, "preprocess_source");
            Assert.Equal(file.Bytes(name, "u8"), preprocessing.Fit(source).Pixels);
            float[] values = preprocessing.Apply(source), head = file.Floats(name, "head");
            for (int i = 0; i < head.Length; i++)
            {
                (int channel, int y, int x) = (i / 32, i / 8 % 4, i % 8);
                // Three float operations on numbers below 3.
                Assert.Equal(head[i], values[(((y * size) + x) * 3) + channel], 1e-6f);
            }

            Assert.Contains("makes pictures of", Assert.Throws<IlgdException>(() => ImagePreprocessing.Load(folder, size + 1)).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static RgbImage Picture(FixtureFile file, string name)
    {
        int[] shape = file.Tensor(name, "rgb").Shape;
        return new(shape[1], shape[0], file.Bytes(name, "rgb"));
    }

    static float[] ToPlanes(float[] pixels, int channels)
    {
        int area = pixels.Length / channels;
        return [.. Enumerable.Range(0, pixels.Length).Select(i => pixels[i % area * channels + i / area])];
    }
}
