using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace IlgpuDiffusion.Kernels.Common;

/// Sixteen floats: .NET's Vector&lt;float&gt;, and with it <see cref="Wide"/>, stays at 32 bytes on processors with AVX-512.
public readonly unsafe struct Wide512(Vector512<float> v) : ILanes<Wide512>
{
    public readonly Vector512<float> V = v;

    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 Load(float* p) => new(Vector512.Load(p));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 All(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* p) => V.Store(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 operator +(Wide512 a, Wide512 b) => new(a.V + b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 operator -(Wide512 a, Wide512 b) => new(a.V - b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 operator *(Wide512 a, Wide512 b) => new(a.V * b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 operator /(Wide512 a, Wide512 b) => new(a.V / b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 MultiplyAdd(Wide512 a, Wide512 b, Wide512 c) => new(Vector512.MultiplyAddEstimate(a.V, b.V, c.V));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 Exp(Wide512 x) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(x.V, Vector512.Create(-87.3f)), Vector512<float>.Zero, BoundedExpOfMinus(-x.V)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 Sigmoid(Wide512 x) => new(Vector512<float>.One / (Vector512<float>.One + BoundedExpOfMinus(x.V)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 Silu(Wide512 x) => new(x.V / (Vector512<float>.One + BoundedExpOfMinus(x.V)));

    // 2^(j/16), which sixteen lanes can look up in a register.
    static Vector512<float> Sixteenths => Vector512.Create(
        1, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f,
        1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f);

    // e⁻ˣ = 2ᵏ·2^(j/16)·2ʳ with k + j/16 = −x/ln 2 rounded, |r| ≤ 1/32, for x in ±88: seven multiply-adds, where Wide.BoundedExp takes nine. Adding 1.5·2¹⁹ rounds to sixteenths, whose four bits then
    // sit at the low end of the float. 1/ln 2 in two parts keeps r exact. 2ʳ is the series to r³, with what r⁴ is worth on average put to r²: relative error 2e-9.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<float> BoundedExpOfMinus(Vector512<float> x)
    {
        if (!Avx512F.IsSupported)
            return Vector512.Exp(Vector512.Min(Vector512.Create(88.3f), Vector512.Max(Vector512.Create(-87.3f), -x)));
        Vector512<float> magic = Vector512.Create(786432f), inverse = Vector512.Create(1.44269502f);
        Vector512<float> v = Vector512.MinNative(Vector512.Create(87.3f), Vector512.MaxNative(Vector512.Create(-88.3f), x));
        Vector512<float> t = Avx512F.FusedMultiplyAddNegated(v, inverse, magic), n = t - magic;
        Vector512<float> r = Avx512F.FusedMultiplyAddNegated(v, Vector512.Create(1.92596303e-8f), Avx512F.FusedMultiplySubtractNegated(v, inverse, n));
        Vector512<float> power = Avx512F.PermuteVar16x32(Sixteenths, t.AsInt32());
        Vector512<float> p = Avx512F.FusedMultiplyAdd(Avx512F.FusedMultiplyAdd(r, Vector512.Create(0.0555041097f), Vector512.Create(0.240234286f)), r, Vector512.Create(0.693147182f));
        return Avx512F.Scale(Avx512F.FusedMultiplyAdd(power * r, p, power), n);
    }
}
