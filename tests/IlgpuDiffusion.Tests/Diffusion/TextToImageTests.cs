using System.Text.Json;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Diffusion;

/// Whole pipelines against diffusers: latents after every step, and the picture.
[Trait("Category", "Fixtures")]
public class TextToImageTests(Devices devices) : DeviceTest(devices)
{
    const double LatentTolerance = 1e-4, ImageTolerance = 1e-3;

    [Theory]
    [InlineData("tiny-sd", false)]
    [InlineData("tiny-sd", true)]
    [InlineData("tiny-sd2", false)]
    public void Latents_of_every_step_and_the_picture_match(string folder, bool guidanceApart)
    {
        using FixtureFile file = FixtureFile.Open($"{folder}-goldens", "forward.safetensors");
        Arena arena = Arena("cpu");
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", folder), arena.Device);
        foreach (string name in file.Cases.Where(c => file.Has(c, "latents_init")))
        {
            TextToImageRequest request = Request(file, name);
            TextToImage pipeline = new(model, arena, new MemorySettings { GuidanceApart = guidanceApart });
            DdimScheduler scheduler = new(model.Scheduler);
            float[] latents = file.Floats(name, "latents_init");
            List<float> steps = [];
            scheduler.SetTimesteps(request.Steps);
            Sampler.Run(pipeline.Guided(request), scheduler, latents, onStep: (_, x) => steps.AddRange(x));
            if (file.Has(name, "timesteps"))
                Assert.Equal(file.Longs(name, "timesteps"), scheduler.Timesteps.Select(t => (long)t));
            float[] expected = file.Has(name, "latents") ? file.Floats(name, "latents") : [];
            for (int i = 0; i < expected.Length; i += latents.Length)
            {
                ReadOnlySpan<float> actual = steps.ToArray().AsSpan(i, latents.Length);
                Tol.Close(actual, expected.AsSpan(i, latents.Length), LatentTolerance, $"{folder} {name}.latents[{i / latents.Length}]");
            }

            if (!file.Has(name, "image"))
                continue;
            float[] image = pipeline.Decode(latents, request.Height, request.Width);
            Tol.Close(image, file.Floats(name, "image"), ImageTolerance, $"{folder} {name}.image");
            if (file.Has(name, "image_u8"))
                Assert.All(TextToImage.ToImage(image, request.Width).Pixels.Zip(file.Bytes(name, "image_u8")), p => Assert.InRange(p.First - p.Second, -1, 1));
        }
    }

    [Fact]
    public void A_seed_gives_the_picture_it_gives_in_diffusers()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "forward.safetensors");
        Arena arena = Arena("cpu");
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), arena.Device);
        foreach (string name in file.Cases.Where(c => file.Attributes(c).TryGetProperty("seed", out _)))
        {
            RgbImage image = Assert.Single(new TextToImage(model, arena).Run(Request(file, name), new DdimScheduler(model.Scheduler), file.Attributes(name).GetProperty("seed").GetUInt64()));
            float[] expected = file.Floats(name, "image");
            // A byte is the nearest 1/255 to a value that is right to the tolerance.
            Tol.Close(Array.ConvertAll(image.Pixels, v => v / 255f), expected, (0.5 / 255) + ImageTolerance, $"{name}.image");
        }
    }

    // The second small model's case names no prompts: rows 0 and 1 of its text case, the latter empty, and no size.
    static TextToImageRequest Request(FixtureFile file, string name)
    {
        JsonElement a = file.Attributes(name);
        int[] latents = file.Tensor(name, "latents_init").Shape;
        int steps = file.Has(name, "timesteps") ? file.Longs(name, "timesteps").Length : a.GetProperty("num_inference_steps").GetInt32();
        return new TextToImageRequest
        {
            Prompts = [a.TryGetProperty("prompt", out JsonElement p) ? p.GetString()! : file.Attributes("text").GetProperty("prompts")[0].GetString()!],
            NegativePrompt = a.TryGetProperty("negative_prompt", out JsonElement n) ? n.GetString()! : "",
            Height = a.TryGetProperty("height", out JsonElement h) ? h.GetInt32() : latents[2] * 8,
            Width = a.TryGetProperty("width", out JsonElement w) ? w.GetInt32() : latents[3] * 8,
            Steps = steps,
            GuidanceScale = a.GetProperty("guidance_scale").GetSingle(),
            GuidanceRescale = a.TryGetProperty("guidance_rescale", out JsonElement r) ? r.GetSingle() : 0,
        };
    }
}
