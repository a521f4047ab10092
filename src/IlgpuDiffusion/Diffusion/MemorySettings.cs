namespace IlgpuDiffusion.Diffusion;

/// What a run gives up to need less memory. Pictures and weights depend on all of it by rounding alone, on <see cref="Checkpointing"/> not at all; so it is part of a run's
/// settings and never chosen by what a machine happens to have free.
public sealed record MemorySettings
{
    // Positions of latents that are trained on at once: 24 pictures of 16 × 16, one of 64 × 64.
    const int TrainedPositions = 24 * 16 * 16;

    /// Layers of the UNet are computed again in the backward pass instead of being kept: a third more time a step.
    public bool Checkpointing { get; init; }

    /// The two halves of classifier-free guidance run one after the other instead of as one batch.
    public bool GuidanceApart { get; init; }

    /// Side of the tiles, in latents, by which the autoencoder works on a picture that is larger; 0 is never. Seams are blended as diffusers does it.
    public int VaeTile { get; init; }

    /// Noisy copies of latents of `positions` = h·w that go through the network together; gradients of the others are added.
    public static int PairsAtOnce(long positions) => (int)Math.Max(1, TrainedPositions / positions);
}
