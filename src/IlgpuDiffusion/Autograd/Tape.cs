using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using AddKernel = IlgpuDiffusion.Kernels.Elementwise.Add;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Autograd;

/// Records what was computed from what, and runs it backwards. One tape serves one step: forward, backward, then the arena is reset.
/// Gradient policy: activations' gradients are written (=) by each op and summed here where a tensor has several consumers;
/// parameters' gradients accumulate (+=). Those that have no buffer yet get one from `gradients`, by default the tape's own arena.
/// `checkpoint`: layers keep their inputs only and are computed again in the backward pass; see <see cref="Checkpoint.Layer"/>.
public sealed class Tape(Arena arena, bool recording = true, Arena? gradients = null, bool checkpoint = false)
{
    readonly Arena gradients = gradients ?? arena;
    readonly List<(Tensor Output, Action<Tensor> Backward)> entries = [];

    public Arena Arena { get; } = arena;

    public Device Device => Arena.Device;

    public KernelContext Kernels => Arena.Device.Kernels;

    public bool Recording { get; } = recording;

    /// Where a layer computes what it need not leave behind; null where all of it is kept for the backward pass.
    internal Arena? Layers => !Recording || checkpoint ? Arena.Layers : null;

    /// Ops recorded so far.
    public int Count => entries.Count;

    /// A temporary whose elements are not set.
    public Tensor New(Shape shape) => Arena.New(shape);

    public Tensor Zeros(Shape shape)
    {
        Tensor t = New(shape);
        Kernels.Clear(t.View);
        return t;
    }

    public Tensor From(ReadOnlySpan<float> values, Shape shape)
    {
        Tensor t = New(shape);
        t.CopyFrom(values);
        return t;
    }

    /// Indices (token ids, rows) on the device, for this step.
    public ArrayView<int> Ints(ReadOnlySpan<int> values)
    {
        ArrayView<int> view = Arena.Take<int>(values.Length);
        Kernels.Upload(values, view);
        return view;
    }

    /// Says that `output` was computed from `inputs`. `backward` gets the gradient of the output and hands on those of the inputs
    /// by <see cref="Accumulate"/> and <see cref="GradOf"/>. Nothing is kept when no input wants a gradient: frozen means free.
    public void Record(Tensor output, ReadOnlySpan<Tensor?> inputs, Action<Tensor> backward)
    {
        if (!Recording)
            return;
        foreach (Tensor? input in inputs)
        {
            if (input is { RequiresGrad: true })
            {
                output.RequiresGrad = true;
                entries.Add((output, backward));
                return;
            }
        }
    }

    /// Hands on the gradient of an activation: kept as it is for the first consumer, summed for later ones. The caller gives `dx` away
    /// and must not write to it afterwards; the same buffer may be handed to several tensors.
    public void Accumulate(Tensor x, Tensor dx)
    {
        if (!x.RequiresGrad)
            return;
        if (dx.Shape != x.Shape)
            throw new InvalidOperationException($"a gradient {dx.Shape} was handed to a tensor {x.Shape}");
        if (x.Grad is null)
        {
            x.Grad = dx;
            x.OwnsGrad = false;
        }
        else if (x.OwnsGrad)
        {
            AddKernel.Accumulate(Kernels, dx.View, x.Grad.View);
        }
        else
        {
            Tensor sum = New(x.Shape);
            AddKernel.Forward(Kernels, x.Grad.View, dx.View, sum.View);
            x.Grad = sum;
            x.OwnsGrad = true;
        }
    }

    /// The same for what an op adds to its result: its gradient is the result's own. An op calls this before it hands on other gradients, so that sums have the order that they have
    /// where the sum is an op of its own.
    internal void AccumulateResidual(Tensor? residual, Tensor dy)
    {
        if (residual is not null)
            Accumulate(residual, dy);
    }

    /// The buffer to which kernels add the gradient of a parameter (or of anything used like one), zero at first.
    public Tensor GradOf(Tensor w)
    {
        if (w.Grad is null)
        {
            w.Grad = gradients.New(w.Shape);
            Kernels.Clear(w.Grad.View);
        }
        else if (!w.OwnsGrad)
        {
            Tensor copy = gradients.New(w.Shape);
            Kernels.Copy(w.Grad.View, copy.View);
            w.Grad = copy;
        }

        w.OwnsGrad = true;
        return w.Grad;
    }

    /// Runs the tape backwards from a scalar loss, whose own gradient is `scale`.
    public void Backward(Tensor loss, float scale = 1)
    {
        if (loss.Count != 1)
            throw new InvalidOperationException($"Backward starts at a scalar, not at {loss.Shape}");
        Backward(loss, From([scale], loss.Shape));
    }

    /// Runs the tape backwards from any output and its gradient; entries are dropped as they are used.
    public void Backward(Tensor output, Tensor grad)
    {
        if (!output.RequiresGrad)
            throw new InvalidOperationException("nothing that led to this output wants a gradient");
        output.Grad = null;
        Accumulate(output, grad);
        for (int i = entries.Count - 1; i >= 0; i--)
        {
            (Tensor y, Action<Tensor> backward) = entries[i];
            if (y.Grad is { } dy)
                backward(dy);
        }

        entries.Clear();
    }
}
