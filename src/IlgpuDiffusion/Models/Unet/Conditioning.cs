using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// What every block of a UNet is told.   time: SiLU of the embedded timestep, (B, 4·C₀)   context: the text, (B, T, D)
readonly record struct Conditioning(Tensor Time, Tensor Context)
{
    /// One resnet and its attention, on x and, where there is one, a skip beside it.
    public Tensor Layer(Tape tape, Tensor x, Tensor? skip, ResnetBlock2D resnet, Transformer2D? attention)
    {
        Tensor[] inputs = skip is null ? [x, Time, Context] : [x, Time, Context, skip];
        return Checkpoint.Layer(
            tape,
            (t, given) =>
            {
                Tensor h = given.Length > 3 ? Ops.Concat.Forward(t, given[0], given[3]) : given[0];
                h = resnet.Forward(t, h, given[1]);
                return attention is null ? h : attention.Forward(t, h, given[2]);
            },
            inputs);
    }
}
