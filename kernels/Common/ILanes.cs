using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace IlgpuDiffusion.Kernels.Common;

/// Some neighbouring floats on which the `cpu` device works at once. A loop is written once over T and run first with
/// <see cref="Wide"/> (or <see cref="Pair"/>), then with <see cref="Narrow"/> over what is left. Such loops carry AggressiveOptimization: until the runtime's
/// tiers get round to them, every operator here would be a call, a hundred times slower.
public unsafe interface ILanes<T>
    where T : struct, ILanes<T>
{
    /// Floats in one T.
    static abstract int Count { get; }

    static abstract T Load(float* p);

    static abstract T All(float value);

    void Store(float* p);

    static abstract T operator +(T a, T b);

    static abstract T operator -(T a, T b);

    static abstract T operator *(T a, T b);

    static abstract T operator /(T a, T b);

    /// a·b + c, fused where the processor can.
    static abstract T MultiplyAdd(T a, T b, T c);

    /// eˣ, relative error below 2e-7; 0 below −87.3 (so 0 at −∞), constant above 88.3. NaN stays NaN.
    static abstract T Exp(T x);

    /// 1 / (1 + e⁻ˣ).
    static abstract T Sigmoid(T x);

    /// x / (1 + e⁻ˣ): the division is the product.
    static abstract T Silu(T x);
}

/// As many floats as a register holds.
public readonly unsafe struct Wide(Vector<float> v) : ILanes<Wide>
{
    public readonly Vector<float> V = v;

    public static int Count => Vector<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide Load(float* p) => new(Vector.Load(p));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide All(float value) => new(new Vector<float>(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* p) => V.Store(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide operator +(Wide a, Wide b) => new(a.V + b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide operator -(Wide a, Wide b) => new(a.V - b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide operator *(Wide a, Wide b) => new(a.V * b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide operator /(Wide a, Wide b) => new(a.V / b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide MultiplyAdd(Wide a, Wide b, Wide c) => new(Vector.MultiplyAddEstimate(a.V, b.V, c.V));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide Exp(Wide x) =>
        new(Vector.AndNot(BoundedExp(x.V), Vector.AsVectorSingle(Vector.LessThan(x.V, new(-87.3f)))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide Sigmoid(Wide x) => new(Vector<float>.One / (Vector<float>.One + BoundedExp(-x.V)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide Silu(Wide x) => new(x.V / (Vector<float>.One + BoundedExp(-x.V)));

    // eˣ = 2ⁿ·eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2, for x in ±88. Adding 1.5·2²³ rounds to an integer whose bits then sit
    // at the low end of the float, ready to be shifted into the exponent. ln 2 in two parts keeps r exact. The polynomial interpolates eʳ
    // at Chebyshev's points, its first two coefficients then set to 1: relative error 2e-8.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector<float> BoundedExp(Vector<float> x)
    {
        Vector<float> magic = new(12582912f), v = Vector.MinNative(new(88.3f), Vector.MaxNative(new(-87.3f), x));
        Vector<float> t = Vector.MultiplyAddEstimate(v, new(1.44269504f), magic);
        Vector<float> n = t - magic;
        Vector<float> r = Vector.MultiplyAddEstimate(n, new(-0.693359375f), v);
        r = Vector.MultiplyAddEstimate(n, new(2.12194440e-4f), r);
        Vector<float> e = Vector.MultiplyAddEstimate(r, new(1.3941108e-3f), new(8.3751264e-3f));
        e = Vector.MultiplyAddEstimate(e, r, new(4.16663529e-2f));
        e = Vector.MultiplyAddEstimate(e, r, new(1.66664155e-1f));
        e = Vector.MultiplyAddEstimate(e, r, new(0.5f));
        e = Vector.MultiplyAddEstimate(e, r, Vector<float>.One);
        e = Vector.MultiplyAddEstimate(e, r, Vector<float>.One);
        return e * Vector.AsVectorSingle(Vector.ShiftLeft(Vector.AsVectorInt32(t) + new Vector<int>(127), 23));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wide Max(Wide a, Wide b) => new(Vector.MaxNative(a.V, b.V));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Vector.Sum(V);

    /// The largest of the lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Largest()
    {
        if (Count == Vector256<float>.Count)
        {
            Vector256<float> v = V.AsVector256();
            Vector128<float> h = Vector128.MaxNative(v.GetLower(), v.GetUpper());
            h = Vector128.MaxNative(h, Vector128.Shuffle(h, Vector128.Create(2, 3, 0, 1)));
            h = Vector128.MaxNative(h, Vector128.Shuffle(h, Vector128.Create(1, 0, 3, 2)));
            return h.ToScalar();
        }

        float largest = V[0];
        for (int i = 1; i < Count; i++)
            largest = MathF.Max(largest, V[i]);
        return largest;
    }
}

/// Two registers: with 32-byte registers a cache line, so that a walk down a column of pixels touches each line once.
public readonly unsafe struct Pair(Wide low, Wide high) : ILanes<Pair>
{
    public readonly Wide Low = low, High = high;

    public static int Count => 2 * Wide.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Load(float* p) => new(Wide.Load(p), Wide.Load(p + Wide.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair All(float value) => new(Wide.All(value), Wide.All(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* p)
    {
        Low.Store(p);
        High.Store(p + Wide.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair operator +(Pair a, Pair b) => new(a.Low + b.Low, a.High + b.High);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair operator -(Pair a, Pair b) => new(a.Low - b.Low, a.High - b.High);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair operator *(Pair a, Pair b) => new(a.Low * b.Low, a.High * b.High);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair operator /(Pair a, Pair b) => new(a.Low / b.Low, a.High / b.High);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair MultiplyAdd(Pair a, Pair b, Pair c) =>
        new(Wide.MultiplyAdd(a.Low, b.Low, c.Low), Wide.MultiplyAdd(a.High, b.High, c.High));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Exp(Pair x) => new(Wide.Exp(x.Low), Wide.Exp(x.High));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Sigmoid(Pair x) => new(Wide.Sigmoid(x.Low), Wide.Sigmoid(x.High));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Silu(Pair x) => new(Wide.Silu(x.Low), Wide.Silu(x.High));
}

/// One float: what is left at the end of a loop.
public readonly unsafe struct Narrow(float v) : ILanes<Narrow>
{
    public readonly float V = v;

    public static int Count => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow Load(float* p) => new(*p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow All(float value) => new(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* p) => *p = V;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow operator +(Narrow a, Narrow b) => new(a.V + b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow operator -(Narrow a, Narrow b) => new(a.V - b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow operator *(Narrow a, Narrow b) => new(a.V * b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow operator /(Narrow a, Narrow b) => new(a.V / b.V);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Narrow MultiplyAdd(Narrow a, Narrow b, Narrow c) => new(MathF.FusedMultiplyAdd(a.V, b.V, c.V));

    public static Narrow Exp(Narrow x) => new(MathF.Exp(x.V));

    public static Narrow Sigmoid(Narrow x) => new(1 / (1 + MathF.Exp(-x.V)));

    public static Narrow Silu(Narrow x) => new(x.V / (1 + MathF.Exp(-x.V)));
}
