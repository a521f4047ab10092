using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Tests.Personalization;

/// Guidance from both models takes the adapter off and puts it on in every step. The convolutions' transformed filters, which it does not touch, must outlive that.
public sealed class GuidedFormsTests : IDisposable
{
    readonly TinyModel model = new();

    [Fact]
    public void A_guided_personalised_sampling_makes_each_filter_once()
    {
        PersonalizationRun run = new()
        {
            Photo = model.Photo,
            Model = model.Folder,
            Method = Method.Lora with { Steps = 1, Pairs = 1 },
            Prompts = ["a pencil sketch of a [V] face"],
            Sampling = new Sampling { Steps = 1 },
            Threads = 1,
            Out = model.NewPlace(),
        };
        new Personalizer(run).Run();

        using Device device = Device.Open("cpu", 1, ConvAlgorithm.F4);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Fold fold = new(loaded);
        fold.Add(AdapterFile.Load(Path.Combine(run.Out, "adapter.safetensors"), loaded));
        using Arena arena = new(device);

        (int kept, long made) = Sample(steps: 2);
        Assert.True(kept > 0, "no filter of this model is kept: the test says nothing");
        Assert.Equal(kept, made);
        Assert.Equal((kept, made), Sample(steps: 5));

        (int Kept, long Made) Sample(int steps)
        {
            Sampling sampling = new Sampling { Steps = steps, GuidanceFrom = GuidanceFrom.Both }.For(loaded);
            PictureSampler sampler = new(loaded, arena, sampling, run.Subject, 16, 16);
            int[] shape = sampler.LatentShape;
            StartingNoise noise = StartingNoise.Draw([span => new RngStream(1, 2, 3).FillNormal(span)], shape[1] * shape[2] * shape[3]);
            sampler.Latents(run.Prompts, noise, fold);
            return loaded.UNet.Weights.Forms;
        }
    }

    public void Dispose() => model.Dispose();
}
