using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// So many tokens of so many numbers each.
public readonly record struct TokenGroup(int Tokens, int Features);

/// A network that turns pictures into tokens for another network to attend to.
public interface IImageEncoder : IDisposable
{
    /// Pixels a side.
    int ImageSize { get; }

    /// What <see cref="Tokens"/> returns: feature maps from fine to coarse, and last one token that sums the picture up.
    IReadOnlyList<TokenGroup> Groups { get; }

    Weights Weights { get; }

    /// images: (B, ImageSize, ImageSize, 3) in [−1, 1]   returns for each group (B, tokens, features)
    IReadOnlyList<Tensor> Tokens(Tape tape, Tensor images);
}
