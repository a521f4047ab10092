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
        new(Vector512.ConditionalSelect(Vector512.LessThan(x.V, Vector512.Create(-87.3f)), Vector512<float>.Zero, BoundedExp(x.V)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide512 Sigmoid(Wide512 x) => new(Vector512<float>.One / (Vector512<float>.One + BoundedExp(-x.V)));

    // The formula of Wide.BoundedExp, number for number: the width of a register changes no bit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<float> BoundedExp(Vector512<float> x)
    {
        Vector512<float> magic = Vector512.Create(12582912f);
        Vector512<float> v = Vector512.MinNative(Vector512.Create(88.3f), Vector512.MaxNative(Vector512.Create(-87.3f), x));
        Vector512<float> t = Vector512.MultiplyAddEstimate(v, Vector512.Create(1.44269504f), magic);
        Vector512<float> n = t - magic;
        Vector512<float> r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-0.693359375f), v);
        r = Vector512.MultiplyAddEstimate(n, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> e = Vector512.MultiplyAddEstimate(r, Vector512.Create(1.3941108e-3f), Vector512.Create(8.3751264e-3f));
        e = Vector512.MultiplyAddEstimate(e, r, Vector512.Create(4.16663529e-2f));
        e = Vector512.MultiplyAddEstimate(e, r, Vector512.Create(1.66664155e-1f));
        e = Vector512.MultiplyAddEstimate(e, r, Vector512.Create(0.5f));
        e = Vector512.MultiplyAddEstimate(e, r, Vector512<float>.One);
        e = Vector512.MultiplyAddEstimate(e, r, Vector512<float>.One);
        return Avx512F.IsSupported ? Avx512F.Scale(e, n) : e * Vector512.AsSingle(Vector512.ShiftLeft(Vector512.AsInt32(t) + Vector512.Create(127), 23));
    }
}
