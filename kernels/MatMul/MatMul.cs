using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.MatMul;

/// Sizes of a batched product. A is (Batch,M,K), or (Batch,K,M) when transposed; B is (Batch,K,N), or (Batch,N,K) when transposed; C is (Batch,M,N).
public readonly record struct MatMulShape(
    int Batch, int M, int N, int K, bool TransposeA = false, bool TransposeB = false, bool Accumulate = false, float Scale = 1);

/// C[b,m,n] = (Accumulate ? C[b,m,n] : 0) + Scale · Σ_k op(A)[b,m,k] · op(B)[b,k,n] + bias[n] + residual[b,m,n].   op(X) = X or Xᵀ.
/// The backward pass is two more products:  dA = Scale · dC · op(B)ᵀ,  dB = Scale · op(A)ᵀ · dC.
public static partial class MatMul
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, MatMulShape s, ReadOnlySpan<float> residual = default)
        {
            for (int batch = 0; batch < s.Batch; batch++)
            {
                ReadOnlySpan<float> aOne = a.Slice(batch * s.M * s.K, s.M * s.K);
                ReadOnlySpan<float> bOne = b.Slice(batch * s.K * s.N, s.K * s.N);
                Span<float> cOne = c.Slice(batch * s.M * s.N, s.M * s.N);
                for (int m = 0; m < s.M; m++)
                {
                    for (int n = 0; n < s.N; n++)
                    {
                        double sum = 0;
                        for (int k = 0; k < s.K; k++)
                            sum += (double)aOne[s.TransposeA ? k * s.M + m : m * s.K + k] * bOne[s.TransposeB ? n * s.K + k : k * s.N + n];
                        int at = m * s.N + n;
                        double start = s.Accumulate ? cOne[at] : residual.IsEmpty ? 0 : residual[batch * s.M * s.N + at];
                        cOne[at] = (float)(start + s.Scale * sum + (bias.IsEmpty ? 0 : bias[n]));
                    }
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    const int TileSize = 8;

    /// What a kernel needs of the shape: strides instead of transposition flags, 32-bit fields only (ILGPU mislays smaller ones).
    internal readonly struct Dims(MatMulShape s, bool bias)
    {
        public readonly int M = s.M;
        public readonly int N = s.N;
        public readonly int K = s.K;
        public readonly int ARow = s.TransposeA ? 1 : s.K;
        public readonly int AK = s.TransposeA ? s.M : 1;
        public readonly int BK = s.TransposeB ? 1 : s.N;
        public readonly int BColumn = s.TransposeB ? s.K : 1;
        public readonly int Accumulate = s.Accumulate ? 1 : 0;
        public readonly int Bias = bias ? 1 : 0;
        public readonly float Scale = s.Scale;
    }

    // V1: one thread an output, a port of the reference with float sums.
    internal static void ForwardV1Kernel(
        Index1D i, ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, Dims d)
    {
        int n = i % d.N;
        int m = i / d.N % d.M;
        int batch = i / (d.N * d.M);
        long aAt = (long)batch * d.M * d.K + (long)m * d.ARow;
        long bAt = (long)batch * d.K * d.N + (long)n * d.BColumn;
        float sum = 0;
        for (int k = 0; k < d.K; k++)
            sum += a[aAt + (long)k * d.AK] * b[bAt + (long)k * d.BK];
        sum *= d.Scale;
        if (d.Bias != 0)
            sum += bias[n];
        c[i] = d.Accumulate != 0 ? c[i] + sum : sum;
    }

    // V2: a group of 64 threads computes 8 × 8 outputs and shares tiles of A and B, so each element is read 8 times less.
    internal static void ForwardV2Kernel(ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, Dims d)
    {
        ArrayView<float> tileA = SharedMemory.Allocate<float>(TileSize * TileSize);
        ArrayView<float> tileB = SharedMemory.Allocate<float>(TileSize * TileSize);
        int tilesN = (d.N + TileSize - 1) / TileSize;
        int tilesM = (d.M + TileSize - 1) / TileSize;
        int row = Group.IdxX / TileSize;
        int column = Group.IdxX % TileSize;
        int n = Grid.IdxX % tilesN * TileSize + column;
        int m = Grid.IdxX / tilesN % tilesM * TileSize + row;
        int batch = Grid.IdxX / (tilesN * tilesM);
        long aAt = (long)batch * d.M * d.K + (long)m * d.ARow;
        long bAt = (long)batch * d.K * d.N + (long)n * d.BColumn;
        float sum = 0;
        for (int k0 = 0; k0 < d.K; k0 += TileSize)
        {
            int aK = k0 + column;
            int bK = k0 + row;
            tileA[Group.IdxX] = m < d.M && aK < d.K ? a[aAt + (long)aK * d.AK] : 0;
            tileB[Group.IdxX] = n < d.N && bK < d.K ? b[bAt + (long)bK * d.BK] : 0;
            Group.Barrier();
            for (int k = 0; k < TileSize; k++)
                sum += tileA[row * TileSize + k] * tileB[k * TileSize + column];
            Group.Barrier();
        }

        if (m < d.M && n < d.N)
        {
            long at = ((long)batch * d.M + m) * d.N + n;
            sum *= d.Scale;
            if (d.Bias != 0)
                sum += bias[n];
            c[at] = d.Accumulate != 0 ? c[at] + sum : sum;
        }
    }

    // ---- work --------------------------------------------------------------------------------------
    /// `element`: bytes of a number of A and of B; C and the bias are F32.
    internal static Work WorkOf(MatMulShape s, int element)
    {
        long a = (long)s.M * s.K, b = (long)s.K * s.N, c = (long)s.M * s.N;
        return new Work(2 * s.Batch * a * s.N, s.Batch * (((a + b) * element) + (c * (s.Accumulate ? 2 : 1) * sizeof(float))));
    }

    // ---- launchers ---------------------------------------------------------------------------------
    // V2 pays off on GPUs alone: a barrier costs ILGPU's simulator tens of microseconds, and below one tile of rows or columns its threads idle.

    /// a, b, c as <see cref="MatMulShape"/> says; bias (N), or empty for none. So is `residual`, which is as large as c and not for a C that is added to: on `cpu` the sums
    /// start from it, elsewhere it is added when they are done.
    public static void Forward(
        KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, MatMulShape s, ArrayView<float> residual = default)
    {
        using LaunchScope launch = k.Scope("MatMul.Forward", s, WorkOf(s, sizeof(float)).WithResidual(residual.Length));
        Check(a, b, bias, c, s, residual);
        if (k.Cpu is { } cpu)
        {
            ForwardCpu(cpu, a, b, bias, c, s, residual, Cpu.CpuIsas.Best);
            return;
        }

        if (s.M < TileSize || s.N < TileSize || k.Accelerator.AcceleratorType == AcceleratorType.CPU)
            ForwardV1(k, a, b, bias, c, s);
        else
            ForwardV2(k, a, b, bias, c, s);
        if (residual.Length > 0)
            Add.Accumulate(k, residual, c);
    }

    internal static void ForwardV1(
        KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, MatMulShape s)
    {
        using LaunchScope launch = k.Scope("MatMul.Forward", s, WorkOf(s, sizeof(float)));
        k.Launch(ForwardV1Kernel, (long)s.Batch * s.M * s.N, a, b, bias, c, new Dims(s, bias.Length > 0));
    }

    internal static void ForwardV2(
        KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, MatMulShape s)
    {
        using LaunchScope launch = k.Scope("MatMul.Forward", s, WorkOf(s, sizeof(float)));
        long groups = (long)s.Batch * ((s.M + TileSize - 1) / TileSize) * ((s.N + TileSize - 1) / TileSize);
        k.LaunchGroups(ForwardV2Kernel, groups, TileSize * TileSize, a, b, bias, c, new Dims(s, bias.Length > 0));
    }

    static void Check(ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, MatMulShape s, ArrayView<float> residual)
    {
        Require(a.Length, "a", (long)s.Batch * s.M * s.K, s);
        Require(b.Length, "b", (long)s.Batch * s.K * s.N, s);
        Require(c.Length, "c", (long)s.Batch * s.M * s.N, s);
        if (bias.Length > 0)
            Require(bias.Length, "bias", s.N, s);
        if (residual.Length > 0 && (s.Accumulate || residual.Length != c.Length))
            throw new ArgumentException($"MatMul: a residual of {residual.Length} floats for c's {c.Length}, {s}: it must be as large, and C not added to", nameof(residual));
    }

    static void Require(long held, string name, long length, MatMulShape s)
    {
        if (held < length)
            throw new ArgumentException($"MatMul: {name} holds {held} floats, {s} needs {length}", name);
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("batch=1 M=24 N=40 K=32 transposeA=0 transposeB=1")]
    internal static void ForwardTrial(Trial t) => PortableTrial(t, (k, a, b, bias, c, s) => Forward(k, a, b, bias, c, s));

    [Trial("batch=1 M=24 N=40 K=32 transposeA=0 transposeB=1")]
    internal static void ForwardV1Trial(Trial t) => PortableTrial(t, ForwardV1);

    [Trial("batch=1 M=24 N=40 K=32 transposeA=0 transposeB=1")]
    internal static void ForwardV2Trial(Trial t) => PortableTrial(t, ForwardV2);

    [Trial("batch=1 M=24 N=40 K=32")]
    internal static void ResidualTrial(Trial t)
    {
        MatMulShape s = new(t["batch"], t["M"], t["N"], t["K"], TransposeB: true);
        long count = (long)s.Batch * s.M * s.N;
        Floats a = t.Normal((long)s.Batch * s.M * s.K), b = t.Normal((long)s.Batch * s.K * s.N), bias = t.Normal(s.N), residual = t.Normal(count);
        Floats c = t.Result(count, Trial.SumOf(s.K));
        t.Run(() => Forward(t.Kernels, a, b, bias, c, s, residual), () => Reference.Forward(a, b, bias, c, s, residual));
    }

    static void PortableTrial(
        Trial t, Action<KernelContext, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, MatMulShape> launch)
    {
        MatMulShape s = new(t["batch"], t["M"], t["N"], t["K"], t["transposeA"] != 0, t["transposeB"] != 0);
        Floats a = t.Normal((long)s.Batch * s.M * s.K), b = t.Normal((long)s.Batch * s.K * s.N), bias = t.Normal(s.N);
        Floats c = t.Result((long)s.Batch * s.M * s.N, Trial.SumOf(s.K));
        t.Run(() => launch(t.Kernels, a, b, bias, c, s), () => Reference.Forward(a, b, bias, c, s));
    }
}
