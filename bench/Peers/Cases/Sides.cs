using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// Our side of a case: a device, inputs that outlive the steps, and a step arena.
sealed class OurSide(Device device) : IDisposable
{
    readonly Arena inputs = new(device);
    readonly Arena step = new(device);
    uint stream;

    /// Standard normal numbers that stay.
    public Tensor Normal(params int[] shape)
    {
        Tensor t = inputs.New(shape);
        float[] values = new float[t.Count];
        new RngStream(1, stream++, 0).FillNormal(values);
        t.CopyFrom(values);
        return t;
    }

    public Action Forward(Func<Tape, Tensor[], Tensor> f, params Tensor[] inputs) => () =>
    {
        f(new Tape(step, recording: false), inputs);
        step.Reset();
    };

    /// Forward, and backward from the gradient `dy` of the output to all `inputs`. The inputs come fresh to each run, as a layer sees them:
    /// no gradient of an earlier run is added to.
    public Action Gradients(Func<Tape, Tensor[], Tensor> f, Tensor dy, params Tensor[] inputs) => () =>
    {
        Tape tape = new(step);
        Tensor[] fresh = Array.ConvertAll(inputs, t => t.As(t.Shape));
        foreach (Tensor t in fresh)
            t.RequiresGrad = true;
        tape.Backward(f(tape, fresh), dy);
        step.Reset();
    };

    public void Dispose()
    {
        step.Dispose();
        inputs.Dispose();
    }
}

/// The peer's side of a case.
sealed class PeerSide : IDisposable
{
    readonly TorchSharp.DisposeScope scope = Torch.NewDisposeScope();

    public Torch.Tensor Normal(params long[] shape) => Torch.randn(shape);

    public static Action Forward(Func<Torch.Tensor> f) => () =>
    {
        using (Torch.no_grad())
        using (Torch.NewDisposeScope())
            f();
    };

    public static Action Gradients(Func<Torch.Tensor> f, Torch.Tensor dy, params Torch.Tensor[] inputs)
    {
        foreach (Torch.Tensor t in inputs)
            t.requires_grad_();
        return () =>
        {
            using (Torch.NewDisposeScope())
                Torch.autograd.grad([f()], inputs, [dy]);
        };
    }

    public void Dispose() => scope.Dispose();
}
