using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Autograd;

/// Gradient checkpointing (Chen et al. 2016): a part of the network keeps its inputs only and runs once more in the backward pass.
/// All its temporaries live in a second arena, which is reset after each run; only output and input gradients reach the tape's own.
/// Gradients are summed in the order of the plain tape, so they are the same to the bit.
public static class Checkpoint
{
    /// One layer of a network. On a tape that records nothing its temporaries are taken back when it is done; on one that checkpoints it is computed again in the
    /// backward pass, about a third more time; on any other it is f and nothing else. The result has the same bits in all three.
    public static Tensor Layer(Tape tape, Func<Tape, Tensor[], Tensor> f, params Tensor[] inputs) =>
        tape.Layers is { } layers ? Forward(tape, layers, f, inputs) : f(tape, inputs);

    /// y = f(tape, inputs). `f` computes everything on the tape it is given, from these inputs and parameters; a temporary of the outer tape
    /// must come in as an input. `scratch` is no arena of the outer tape, and checkpoints do not nest.
    public static Tensor Forward(Tape tape, Arena scratch, Func<Tape, Tensor[], Tensor> f, Tensor[] inputs)
    {
        if (ReferenceEquals(tape.Arena, scratch))
            throw new ArgumentException("a checkpoint needs an arena of its own", nameof(scratch));
        // Recorded, though the record is dropped: it tells whether anything inside wants a gradient.
        Tensor inner = f(new Tape(scratch, tape.Recording), inputs);
        Tensor y = tape.New(inner.Shape);
        tape.Kernels.Copy(inner.View, y.View);
        y.RequiresGrad = inner.RequiresGrad;
        scratch.Reset();
        tape.Record(y, [y], dy => Backward(tape, scratch, f, inputs, dy));
        return y;
    }

    static void Backward(Tape tape, Arena scratch, Func<Tape, Tensor[], Tensor> f, Tensor[] inputs, Tensor dy)
    {
        Tape again = new(scratch, recording: true, gradients: tape.Arena);
        Tensor[] copies = Array.ConvertAll(inputs, x =>
        {
            // Starts from the gradient that later consumers left, which keeps the order of summation.
            Tensor copy = x.As(x.Shape);
            copy.RequiresGrad = x.RequiresGrad;
            copy.Grad = x.Grad;
            return copy;
        });
        again.Backward(f(again, copies), dy);
        for (int i = 0; i < inputs.Length; i++)
        {
            Tensor x = inputs[i];
            if (copies[i].Grad is not { } sum || ReferenceEquals(sum, x.Grad))
                continue;
            if (!x.OwnsGrad || x.Grad is null)
                x.Grad = tape.New(x.Shape);
            x.OwnsGrad = true;
            tape.Kernels.Copy(sum.View, x.Grad.View);
        }

        scratch.Reset();
    }
}
