namespace IlgpuDiffusion.Kernels.Conv;

/// Sizes of a 2-d convolution. x is (B,H,W,C), weight (O,Kh,Kw,C), y (B,OutH,OutW,O). Padding is zeros, each side on its own.
public readonly record struct Conv2dShape(
    int B, int H, int W, int C, int O, int Kh, int Kw, int Stride, int PadLeft, int PadRight, int PadTop, int PadBottom)
{
    public int OutH => (H + PadTop + PadBottom - Kh) / Stride + 1;

    public int OutW => (W + PadLeft + PadRight - Kw) / Stride + 1;

    public int InputCount => checked(B * H * W * C);

    public int OutputCount => checked(B * OutH * OutW * O);

    public int WeightCount => checked(O * Kh * Kw * C);

    /// A 1×1 convolution that meets every position once: a matrix product.
    public bool IsPointwise => Kh == 1 && Kw == 1 && Stride == 1 && PadLeft == 0 && PadRight == 0 && PadTop == 0 && PadBottom == 0;

    /// What takes dy to dx: of stride 1 it is a convolution itself, with the filter turned by half a turn and the channels changed over (Conv2d.md).
    public Conv2dShape Transposed() => this with
    {
        H = OutH,
        W = OutW,
        C = O,
        O = C,
        PadLeft = Kw - 1 - PadLeft,
        PadRight = Kw - 1 - PadRight,
        PadTop = Kh - 1 - PadTop,
        PadBottom = Kh - 1 - PadBottom,
    };
}
