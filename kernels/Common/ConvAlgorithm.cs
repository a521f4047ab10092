namespace IlgpuDiffusion.Kernels.Common;

/// How the `cpu` device computes 3×3 convolutions of stride 1; everything else, and every other device, is direct whatever is said here.
/// Each name allows what stands before it: a shape for which fewer multiplications need another algorithm gets that one.
public enum ConvAlgorithm
{
    /// The sum as it is written, as an implicit matrix product.
    Direct,

    /// Winograd's F(2×2, 3×3): 16 multiplications where direct needs 36.
    F2,

    /// Winograd's F(4×4, 3×3): 36 multiplications where direct needs 144.
    F4,
}
