using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// 2ˣ by the special function unit: ex2.approx.ftz, absolute error of the exponent's fraction below 2⁻²² (PTX ISA). For softmax, whose sums hide it.
public static class Exp2
{
    [IntrinsicImplementation]
    [Ptx("ex2.approx.ftz.f32 $r, $0;")]
    public static float Approximate(float x) => (float)Math.Pow(2, x);
}
