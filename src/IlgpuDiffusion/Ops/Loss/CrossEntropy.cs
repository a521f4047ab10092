using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.CrossEntropy;

namespace IlgpuDiffusion.Ops;

/// Mean over the rows of −log softmax(logits)[label], a scalar: logits (B, N), one label a row. Keeps the logits.
public static class CrossEntropy
{
    public static Tensor Forward(Tape tape, Tensor logits, ReadOnlySpan<int> labels)
    {
        if (logits.Shape.Rank != 2 || labels.Length != logits.Shape[0])
            throw new ArgumentException($"CrossEntropy: {labels.Length} labels for logits {logits.Shape}, which must be (B, N)");
        int n = logits.Shape[1];
        foreach (int label in labels)
        {
            if (label < 0 || label >= n)
                throw new ArgumentException($"CrossEntropy: label {label} is not one of {n} classes");
        }

        ArrayView<int> onDevice = tape.Ints(labels);
        Tensor rows = tape.New([labels.Length]);
        Kernel.Forward(tape.Kernels, logits.View, onDevice, rows.View, n);
        tape.Record(rows, [logits], dy =>
        {
            Tensor dx = tape.New(logits.Shape);
            Kernel.Backward(tape.Kernels, logits.View, onDevice, dy.View, dx.View, n);
            tape.Accumulate(logits, dx);
        });
        return Mean.Forward(tape, rows);
    }
}
