using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using torch = TorchSharp.torch;

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

    public Action Forward(Func<Tape, Tensor> f) => () =>
    {
        f(new Tape(step, recording: false));
        step.Reset();
    };

    /// Forward, and backward from the gradient `dy` of the output to all `inputs`.
    public Action Gradients(Func<Tape, Tensor> f, Tensor dy, params Tensor[] inputs)
    {
        foreach (Tensor t in inputs)
            t.RequiresGrad = true;
        return () =>
        {
            foreach (Tensor t in inputs)
                t.Grad = null;
            Tape tape = new(step);
            tape.Backward(f(tape), dy);
            step.Reset();
        };
    }

    public void Dispose()
    {
        step.Dispose();
        inputs.Dispose();
    }
}

/// The peer's side of a case.
sealed class PeerSide : IDisposable
{
    readonly IDisposable scope = torch.NewDisposeScope();

    public torch.Tensor Normal(params long[] shape) => torch.randn(shape);

    public static Action Forward(Func<torch.Tensor> f) => () =>
    {
        using (torch.no_grad())
        using (torch.NewDisposeScope())
            f();
    };

    public static Action Gradients(Func<torch.Tensor> f, torch.Tensor dy, params torch.Tensor[] inputs)
    {
        foreach (torch.Tensor t in inputs)
            t.requires_grad_();
        return () =>
        {
            using (torch.NewDisposeScope())
                torch.autograd.grad([f()], inputs, [dy]);
        };
    }

    public void Dispose() => scope.Dispose();
}
