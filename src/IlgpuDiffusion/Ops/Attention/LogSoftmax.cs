using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// Logarithm of the softmax over the last axis: y = x − log Σ exp(x). Keeps y.
public static class LogSoftmax
{
    public static Tensor Forward(Tape tape, Tensor x) => Softmax.Forward(tape, x, log: true);
}
