using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Ops;

/// y = scale · op(a) · op(b), batch by batch;   d op(a) = scale · dy · op(b)ᵀ,   d op(b) = scale · op(a)ᵀ · dy. Keeps a and b.
public static class MatMul
{
    /// a (…, M, K), or (…, K, M) when transposed; b (…, K, N), or (…, N, K); equal leading axes. Returns (…, M, N).
    public static Tensor Forward(Tape tape, Tensor a, Tensor b, bool transposeA = false, bool transposeB = false, float scale = 1)
    {
        MatMulShape s = ShapeOf(a.Shape, b.Shape, transposeA, transposeB, scale);
        Tensor y = tape.New([.. a.Shape.Dims[..^2], s.M, s.N]);
        Kernel.Forward(tape.Kernels, a.View, b.View, ArrayView<float>.Empty, y.View, s);
        tape.Record(y, [a, b], dy => Backward(tape, a, b, dy, s));
        return y;
    }

    static void Backward(Tape tape, Tensor a, Tensor b, Tensor dy, MatMulShape s)
    {
        if (a.RequiresGrad)
        {
            Tensor da = tape.New(a.Shape);
            if (s.TransposeA)
                Kernel.Forward(tape.Kernels, b.View, dy.View, default, da.View, new(s.Batch, s.K, s.M, s.N, s.TransposeB, true, Scale: s.Scale));
            else
                Kernel.Forward(tape.Kernels, dy.View, b.View, default, da.View, new(s.Batch, s.M, s.K, s.N, false, !s.TransposeB, Scale: s.Scale));
            tape.Accumulate(a, da);
        }

        if (b.RequiresGrad)
        {
            Tensor db = tape.New(b.Shape);
            if (s.TransposeB)
                Kernel.Forward(tape.Kernels, dy.View, a.View, default, db.View, new(s.Batch, s.N, s.K, s.M, true, s.TransposeA, Scale: s.Scale));
            else
                Kernel.Forward(tape.Kernels, a.View, dy.View, default, db.View, new(s.Batch, s.K, s.N, s.M, !s.TransposeA, false, Scale: s.Scale));
            tape.Accumulate(b, db);
        }
    }

    static MatMulShape ShapeOf(Shape a, Shape b, bool transposeA, bool transposeB, float scale)
    {
        if (a.Rank < 2 || a.Rank != b.Rank || !a.Dims[..^2].SequenceEqual(b.Dims[..^2]))
            throw new ArgumentException($"MatMul: {a} and {b} must have equal leading axes and two more");
        int m = a[transposeA ? -1 : -2], k = a[transposeA ? -2 : -1], n = b[transposeB ? -2 : -1];
        if (b[transposeB ? -1 : -2] != k)
            throw new ArgumentException($"MatMul: inner extents of {a}{(transposeA ? "ᵀ" : "")} and {b}{(transposeB ? "ᵀ" : "")} differ");
        int batch = 1;
        foreach (int d in a.Dims[..^2])
            batch = checked(batch * d);
        return new MatMulShape(batch, m, n, k, transposeA, transposeB, Scale: scale);
    }
}
