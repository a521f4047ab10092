using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Optim;

/// Σ x², as partial sums over blocks of fixed length that the host adds in order in double: the same bits for any number of threads.
public static class SumOfSquares
{
    /// Elements that one partial sum covers.
    public const int Block = 4096;

    public static int Blocks(long count) => (int)((count + Block - 1) / Block);

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static double Sum(ReadOnlySpan<float> x)   // (N)
        {
            double sum = 0;
            foreach (float value in x)
                sum += (double)value * value;
            return sum;
        }

        public static void Partial(ReadOnlySpan<float> x, Span<float> partial)
        {
            for (int i = 0; i < partial.Length; i++)
                partial[i] = (float)Sum(x[(i * Block)..Math.Min(x.Length, (i + 1) * Block)]);
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void PartialKernel(Index1D block, ArrayView<float> x, ArrayView<float> partial)
    {
        long end = System.Math.Min(((long)(int)block + 1) * Block, x.Length);
        float sum = 0;
        for (long i = (long)(int)block * Block; i < end; i++)
            sum += x[i] * x[i];
        partial[block] = sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Partial(KernelContext k, ArrayView<float> x, ArrayView<float> partial)   // partial: (Blocks(N))
    {
        using LaunchScope launch = k.Scope("SumOfSquares.Partial", x.Length, Work.Of(2 * x.Length, x.Length + partial.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(PartialKernel, partial.Length, x, partial);
            return;
        }

        float* px = x.Pointer(), pp = partial.Pointer();
        long length = x.Length;
        cpu.Range(partial.Length, 4, (begin, end) =>
        {
            for (long block = begin; block < end; block++)
                pp[block] = TensorPrimitives.SumOfSquares(new ReadOnlySpan<float>(px + (block * Block), (int)Math.Min(Block, length - (block * Block))));
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=5000")]
    internal static void PartialTrial(Trial t)
    {
        Floats x = t.Normal(t["N"]), partial = t.Result(Blocks(t["N"]), Trial.SumOf(Block));
        t.Run(() => Partial(t.Kernels, x, partial), () => Reference.Partial(x, partial));
    }
}
