using IlgpuDiffusion.Kernels.Optim;
using IlgpuDiffusion.Tensors;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// AdamW over the parameters of a model: one pass over one array here, one call for each of 200 tensors there.
static class OptimCases
{
    const double Target = 1.5;
    const int Parameters = 200;

    public static IEnumerable<PeerCase> All => [Case(32 * 1024), Case(2 * 1024)];

    static PeerCase Case(int each) => new("adamw", $"{Parameters} parameters of {each}", Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensor p = us.Normal(Parameters * each), g = us.Normal(Parameters * each), m = us.Normal(Parameters * each), v = us.Normal(Parameters * each);
        v.CopyFrom(Array.ConvertAll(v.ToArray(), Math.Abs));
        AdamWStep step = AdamWStep.At(10, 1e-6, 0.9, 0.999, 1e-8, 0.01, 1);
        TorchSharp.Modules.Parameter[] parameters = [.. Enumerable.Range(0, Parameters).Select(_ => new TorchSharp.Modules.Parameter(them.Normal(each)))];
        foreach (TorchSharp.Modules.Parameter parameter in parameters)
            parameter.grad = them.Normal(each);
        Torch.optim.Optimizer optimizer = Torch.optim.AdamW(parameters, lr: 1e-6, weight_decay: 0.01);
        return new Pair(
            () => AdamW.Step(device.Kernels, p.View, g.View, m.View, v.View, step),
            () =>
            {
                using IDisposable scope = Torch.NewDisposeScope();
                optimizer.step();
            },
            us,
            them);
    });
}
