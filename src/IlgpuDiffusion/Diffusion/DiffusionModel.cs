using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tokenizer;

namespace IlgpuDiffusion.Diffusion;

/// Everything of a latent diffusion model in diffusers' layout: owns the three networks.
public sealed class DiffusionModel(
    UNet unet, AutoencoderKL? vae, ClipTextModel textEncoder, string tokenizerFolder, SchedulerConfig scheduler, Device device) : IDisposable
{
    public UNet UNet { get; } = unet;

    /// Errors: a folder without one was loaded.
    public AutoencoderKL Vae => vae ?? throw new IlgdException("this model folder has no vae: it makes latents, not pictures");

    public bool HasVae => vae is not null;

    public ClipTextModel TextEncoder { get; } = textEncoder;

    public ClipTokenizer Tokenizer { get; } = new(tokenizerFolder);

    /// Where the tokenizer's files were read from; saving copies them.
    public string TokenizerFolder { get; } = tokenizerFolder;

    public SchedulerConfig Scheduler { get; } = scheduler;

    public Device Device { get; } = device;

    public void Dispose()
    {
        UNet.Dispose();
        vae?.Dispose();
        TextEncoder.Dispose();
    }
}
