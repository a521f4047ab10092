using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// What every block of a UNet is told.   time: SiLU of the embedded timestep, (B, 4·C₀)   context: the text, (B, T, D)
readonly record struct Conditioning(Tensor Time, Tensor Context, Arena? CheckpointArena)
{
    /// One resnet and its attention, recomputed in the backward pass if there is an arena for that.
    public Tensor Layer(Tape tape, Tensor x, ResnetBlock2D resnet, Transformer2D? attention)
    {
        if (CheckpointArena is null)
            return Run(tape, x, Time, Context);
        return Checkpoint.Forward(tape, CheckpointArena, (t, inputs) => Run(t, inputs[0], inputs[1], inputs[2]), [x, Time, Context]);

        Tensor Run(Tape t, Tensor h, Tensor time, Tensor context)
        {
            h = resnet.Forward(t, h, time);
            return attention is null ? h : attention.Forward(t, h, context);
        }
    }
}
