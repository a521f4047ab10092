using System.Numerics;
using System.Runtime.CompilerServices;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// One operand of a matrix product, seen as lines that run contiguously: along k (a row of A, a row of B transposed) or across k
/// (a row of A transposed, a row of B). The driver packs either kind into panels; where the numbers come from is the source's own matter,
/// which is how a convolution gathers its patches without ever writing them out.
/// A run is asked for once a row and block, so `Run` is compiled well at once: in the runtime's first tier a layer 128 → 128 with a low-rank update spent a third of its time in here.
unsafe interface IPanelSource
{
    /// True: line = outer index (m or n) and a run goes along k. False: line = k and a run goes along the outer index.
    static abstract bool AlongK { get; }

    /// `count` numbers of `line` from `start` on: a pointer into the operand where they already lie contiguously, else `scratch`, filled.
    float* Run(int batch, int line, int start, int count, float* scratch);
}

/// Where the rows of the product go.
unsafe interface IRowTarget
{
    /// True if the rows of a batch lie a constant distance apart, so that a tile can be stored directly.
    static abstract bool Strided { get; }

    float* Row(int batch, int m);
}

/// A matrix whose rows run along k: A (M,K), or B given as (N,K).
readonly unsafe struct RowsAlongK(float* data, int rowLength, long batchLength) : IPanelSource
{
    public static bool AlongK => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Run(int batch, int line, int start, int count, float* scratch) => data + batch * batchLength + (long)line * rowLength + start;
}

/// A matrix whose rows run across k: B (K,N), or A given as (K,M).
readonly unsafe struct RowsAcrossK(float* data, int rowLength, long batchLength) : IPanelSource
{
    public static bool AlongK => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Run(int batch, int line, int start, int count, float* scratch) => data + batch * batchLength + (long)line * rowLength + start;
}

/// A plain row-major matrix as the product's destination.
readonly unsafe struct MatrixRows(float* data, int rowLength, long batchLength) : IRowTarget
{
    public static bool Strided => true;

    public float* Row(int batch, int m) => data + batch * batchLength + (long)m * rowLength;
}

/// An operand times a number, multiplied while it is packed.
readonly unsafe struct Scaled<TSource>(TSource source, float scale) : IPanelSource
    where TSource : struct, IPanelSource
{
    public static bool AlongK => TSource.AlongK;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float* Run(int batch, int line, int start, int count, float* scratch)
    {
        float* from = source.Run(batch, line, start, count, scratch);
        int i = 0;
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count)
            (Vector.Load(from + i) * scale).Store(scratch + i);
        for (; i < count; i++)
            scratch[i] = from[i] * scale;
        return scratch;
    }
}

/// Two operands one after the other along k: [A₁ | A₂] · [B₁ ; B₂] = A₁·B₁ + A₂·B₂, in one sweep over C. `split` is the first one's extent in k.
readonly unsafe struct Joined<TFirst, TSecond>(TFirst first, TSecond second, int split) : IPanelSource
    where TFirst : struct, IPanelSource
    where TSecond : struct, IPanelSource
{
    public static bool AlongK => TFirst.AlongK;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float* Run(int batch, int line, int start, int count, float* scratch)
    {
        if (!AlongK)
        {
            return line < split
                ? first.Run(batch, line, start, count, scratch)
                : second.Run(batch, line - split, start, count, scratch);
        }

        if (start + count <= split)
            return first.Run(batch, line, start, count, scratch);
        if (start >= split)
            return second.Run(batch, line, start - split, count, scratch);
        int head = split - start;
        Place(first.Run(batch, line, start, head, scratch), scratch, head);
        Place(second.Run(batch, line, 0, count - head, scratch + head), scratch + head, count - head);
        return scratch;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Place(float* from, float* to, int count)
    {
        if (from != to)
            Panels.Copy(from, to, count);
    }
}
