using System.Runtime.CompilerServices;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Conv;

/// A linear map of `From` numbers to `To`, on lanes of neighbouring channels. Derivation and matrices: Winograd.md.
interface ITransform
{
    static abstract int From { get; }

    static abstract int To { get; }

    /// Applies the map to line `f` of `from`, and writes line `t` of `to`.
    static abstract void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
        where T : struct, ILanes<T>
        where TFrom : struct, ILines
        where TTo : struct, ILines;
}

/// Places in memory, seen as lines of elements; each place is where a vector of channels starts.
unsafe interface ILines
{
    T Load<T>(int line, int i)
        where T : struct, ILanes<T>;

    void Store<T>(int line, int i, T v)
        where T : struct, ILanes<T>;
}

/// Lines and their elements at constant distances, in floats.
readonly unsafe struct EvenLines(float* at, nint line, nint element) : ILines
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Load<T>(int l, int i)
        where T : struct, ILanes<T> => T.Load(at + l * line + i * element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<T>(int l, int i, T v)
        where T : struct, ILanes<T> => v.Store(at + l * line + i * element);
}

/// As <see cref="EvenLines"/>, but what is stored is added to what is there.
readonly unsafe struct SummedLines(float* at, nint line, nint element) : ILines
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Load<T>(int l, int i)
        where T : struct, ILanes<T> => T.Load(at + l * line + i * element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<T>(int l, int i, T v)
        where T : struct, ILanes<T> => (v + Load<T>(l, i)).Store(at + l * line + i * element);
}

/// Lines of pixels, each wherever the table says: beyond the image's edge they are zeros, or a place that nobody reads.
/// `bias` is added to what is stored.
readonly unsafe struct Pixels(float** table, int perLine, nint channel, float* bias) : ILines
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Load<T>(int l, int i)
        where T : struct, ILanes<T> => T.Load(table[l * perLine + i] + channel);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<T>(int l, int i, T v)
        where T : struct, ILanes<T> => (v + T.Load(bias + channel)).Store(table[l * perLine + i] + channel);
}

static unsafe class Transforms
{
    /// Floats that <see cref="Both"/> needs for what lies between its two halves.
    public const int MiddleLength = 6 * 6 * 16;

    /// S · X · Sᵀ: the map on the columns, which are the lines of `from`, then on the rows, which become the lines of `to`.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Both<T, TTransform, TFrom, TTo>(TFrom from, TTo to, float* middle)
        where T : struct, ILanes<T>
        where TTransform : struct, ITransform
        where TFrom : struct, ILines
        where TTo : struct, ILines
    {
        for (int column = 0; column < TTransform.From; column++)
            TTransform.Apply<T, TFrom, EvenLines>(from, column, new EvenLines(middle, T.Count, TTransform.From * T.Count), column);
        for (int row = 0; row < TTransform.To; row++)
            TTransform.Apply<T, EvenLines, TTo>(new EvenLines(middle, TTransform.From * T.Count, T.Count), row, to, row);
    }
}

/// F(2×2, 3×3): tiles of 4×4 pixels give 2×2 outputs. Points 0, 1, −1, ∞.
static class F2
{
    /// Bᵀ
    public readonly struct Input : ITransform
    {
        public static int From => 4;

        public static int To => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T d0 = from.Load<T>(f, 0), d1 = from.Load<T>(f, 1), d2 = from.Load<T>(f, 2), d3 = from.Load<T>(f, 3);
            to.Store(t, 0, d0 - d2);
            to.Store(t, 1, d2 + d1);
            to.Store(t, 2, d2 - d1);
            to.Store(t, 3, d3 - d1);
        }
    }

    /// G
    public readonly struct Weight : ITransform
    {
        public static int From => 3;

        public static int To => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T g0 = from.Load<T>(f, 0), g1 = T.All(0.5f) * from.Load<T>(f, 1), g2 = from.Load<T>(f, 2);
            T even = T.All(0.5f) * (g0 + g2);
            to.Store(t, 0, g0);
            to.Store(t, 1, even + g1);
            to.Store(t, 2, even - g1);
            to.Store(t, 3, g2);
        }
    }

    /// Aᵀ
    public readonly struct Output : ITransform
    {
        public static int From => 4;

        public static int To => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T m1 = from.Load<T>(f, 1), m2 = from.Load<T>(f, 2);
            to.Store(t, 0, from.Load<T>(f, 0) + (m1 + m2));
            to.Store(t, 1, from.Load<T>(f, 3) + (m1 - m2));
        }
    }

    /// A
    public readonly struct OutputGradient : ITransform
    {
        public static int From => 2;

        public static int To => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T y0 = from.Load<T>(f, 0), y1 = from.Load<T>(f, 1);
            to.Store(t, 0, y0);
            to.Store(t, 1, y0 + y1);
            to.Store(t, 2, y0 - y1);
            to.Store(t, 3, y1);
        }
    }

    /// Gᵀ
    public readonly struct WeightGradient : ITransform
    {
        public static int From => 4;

        public static int To => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T u1 = from.Load<T>(f, 1), u2 = from.Load<T>(f, 2), half = T.All(0.5f), even = half * (u1 + u2);
            to.Store(t, 0, from.Load<T>(f, 0) + even);
            to.Store(t, 1, half * (u1 - u2));
            to.Store(t, 2, from.Load<T>(f, 3) + even);
        }
    }
}

/// F(4×4, 3×3): tiles of 6×6 pixels give 4×4 outputs. Points 0, ±5/8, ±3/2, ∞: their powers are exact in F32, and the error is half
/// of that with the usual 0, ±1, ±2, ∞.
static class F4
{
    const float A = 5f / 8, A2 = A * A, A3 = A2 * A;
    const float B = 3f / 2, B2 = B * B, B3 = B2 * B;

    // 1/N of each point: N = Π (p − q) over the other points q.
    const double N0 = 1.0 / (A2 * B2), NA = 1.0 / (2.0 * A2 * (A2 - B2)), NB = 1.0 / (2.0 * B2 * (B2 - A2));

    /// Bᵀ
    public readonly struct Input : ITransform
    {
        public static int From => 6;

        public static int To => 6;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T d1 = from.Load<T>(f, 1), d2 = from.Load<T>(f, 2), d3 = from.Load<T>(f, 3), d4 = from.Load<T>(f, 4);
            to.Store(t, 0, T.MultiplyAdd(T.All(A2 * B2), from.Load<T>(f, 0), T.MultiplyAdd(T.All(-A2 - B2), d2, d4)));
            T even = T.MultiplyAdd(T.All(-B2), d2, d4), odd = T.MultiplyAdd(T.All(-B2), d1, d3);
            to.Store(t, 1, T.MultiplyAdd(T.All(A), odd, even));
            to.Store(t, 2, T.MultiplyAdd(T.All(-A), odd, even));
            even = T.MultiplyAdd(T.All(-A2), d2, d4);
            odd = T.MultiplyAdd(T.All(-A2), d1, d3);
            to.Store(t, 3, T.MultiplyAdd(T.All(B), odd, even));
            to.Store(t, 4, T.MultiplyAdd(T.All(-B), odd, even));
            to.Store(t, 5, T.MultiplyAdd(T.All(A2 * B2), d1, T.MultiplyAdd(T.All(-A2 - B2), d3, from.Load<T>(f, 5))));
        }
    }

    /// G
    public readonly struct Weight : ITransform
    {
        public static int From => 3;

        public static int To => 6;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T g0 = from.Load<T>(f, 0), g1 = from.Load<T>(f, 1), g2 = from.Load<T>(f, 2);
            to.Store(t, 0, T.All((float)N0) * g0);
            T even = T.All((float)NA) * T.MultiplyAdd(T.All(A2), g2, g0);
            to.Store(t, 1, T.MultiplyAdd(T.All((float)(A * NA)), g1, even));
            to.Store(t, 2, T.MultiplyAdd(T.All((float)(-A * NA)), g1, even));
            even = T.All((float)NB) * T.MultiplyAdd(T.All(B2), g2, g0);
            to.Store(t, 3, T.MultiplyAdd(T.All((float)(B * NB)), g1, even));
            to.Store(t, 4, T.MultiplyAdd(T.All((float)(-B * NB)), g1, even));
            to.Store(t, 5, g2);
        }
    }

    /// Aᵀ
    public readonly struct Output : ITransform
    {
        public static int From => 6;

        public static int To => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T m1 = from.Load<T>(f, 1), m2 = from.Load<T>(f, 2), m3 = from.Load<T>(f, 3), m4 = from.Load<T>(f, 4);
            T evenA = m1 + m2, oddA = m1 - m2, evenB = m3 + m4, oddB = m3 - m4;
            to.Store(t, 0, from.Load<T>(f, 0) + (evenA + evenB));
            to.Store(t, 1, T.MultiplyAdd(T.All(A), oddA, T.All(B) * oddB));
            to.Store(t, 2, T.MultiplyAdd(T.All(A2), evenA, T.All(B2) * evenB));
            to.Store(t, 3, T.MultiplyAdd(T.All(A3), oddA, T.MultiplyAdd(T.All(B3), oddB, from.Load<T>(f, 5))));
        }
    }

    /// A
    public readonly struct OutputGradient : ITransform
    {
        public static int From => 4;

        public static int To => 6;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T y0 = from.Load<T>(f, 0), y1 = from.Load<T>(f, 1), y2 = from.Load<T>(f, 2), y3 = from.Load<T>(f, 3);
            to.Store(t, 0, y0);
            T even = T.MultiplyAdd(T.All(A2), y2, y0), odd = T.MultiplyAdd(T.All(A2), y3, y1);
            to.Store(t, 1, T.MultiplyAdd(T.All(A), odd, even));
            to.Store(t, 2, T.MultiplyAdd(T.All(-A), odd, even));
            even = T.MultiplyAdd(T.All(B2), y2, y0);
            odd = T.MultiplyAdd(T.All(B2), y3, y1);
            to.Store(t, 3, T.MultiplyAdd(T.All(B), odd, even));
            to.Store(t, 4, T.MultiplyAdd(T.All(-B), odd, even));
            to.Store(t, 5, y3);
        }
    }

    /// Gᵀ
    public readonly struct WeightGradient : ITransform
    {
        public static int From => 6;

        public static int To => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply<T, TFrom, TTo>(TFrom from, int f, TTo to, int t)
            where T : struct, ILanes<T>
            where TFrom : struct, ILines
            where TTo : struct, ILines
        {
            T u1 = from.Load<T>(f, 1), u2 = from.Load<T>(f, 2), u3 = from.Load<T>(f, 3), u4 = from.Load<T>(f, 4);
            T evenA = T.All((float)NA) * (u1 + u2), evenB = T.All((float)NB) * (u3 + u4);
            to.Store(t, 0, T.MultiplyAdd(T.All((float)N0), from.Load<T>(f, 0), evenA + evenB));
            to.Store(t, 1, T.MultiplyAdd(T.All((float)(A * NA)), u1 - u2, T.All((float)(B * NB)) * (u3 - u4)));
            to.Store(t, 2, T.MultiplyAdd(T.All(A2), evenA, T.MultiplyAdd(T.All(B2), evenB, from.Load<T>(f, 5))));
        }
    }
}
