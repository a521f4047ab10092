using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// Products of plain matrices, and the linear layers of face-mini's training step.
static class MatMulCases
{
    const double Target = 0.95;

    public static IEnumerable<PeerCase> All =>
    [
        Product(256, 256, 256),
        Product(768, 768, 768),
        Product(1536, 1536, 1536),
        Product(5120, 64, 576),
        Product(5120, 128, 1152),
        Product(80, 512, 128),
        Linear(1280, 128, 1024),
        Linear(1280, 512, 128),
        Linear(20, 256, 128),
        LinearResidual(1536, 128, 128),
        LinearResidual(1536, 512, 128),
        LinearResidual(4096, 320, 320),
        LinearResidual(4096, 1280, 320),
    ];

    static PeerCase Product(int m, int n, int k) => new("matmul", $"{m}x{n}x{k}", Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensors.Tensor a = us.Normal(m, k), b = us.Normal(k, n);
        Torch.Tensor x = them.Normal(m, k), y = them.Normal(k, n);
        return new Pair(us.Forward((tape, of) => Op.MatMul.Forward(tape, of[0], of[1]), a, b), PeerSide.Forward(() => Torch.mm(x, y)), us, them);
    });

    // What ends a branch around which the input goes: one operation here, a product and a sum there.
    static PeerCase LinearResidual(int rows, int inputs, int outputs) => new("linear+residual", $"{rows}x{inputs} -> {outputs}", Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensors.Tensor x = us.Normal(rows, inputs), w = us.Normal(outputs, inputs), b = us.Normal(outputs), r = us.Normal(rows, outputs);
        Torch.Tensor tx = them.Normal(rows, inputs), tw = them.Normal(outputs, inputs), tb = them.Normal(outputs), tr = them.Normal(rows, outputs);
        return new Pair(
            us.Forward((tape, of) => Op.Linear.Forward(tape, of[0], of[1], of[2], of[3]), x, w, b, r), PeerSide.Forward(() => Torch.nn.functional.linear(tx, tw, tb) + tr), us, them);
    });

    static PeerCase Linear(int rows, int inputs, int outputs) => new("linear+backward", $"{rows}x{inputs} -> {outputs}", Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensors.Tensor x = us.Normal(rows, inputs), w = us.Normal(outputs, inputs), b = us.Normal(outputs), dy = us.Normal(rows, outputs);
        Torch.Tensor tx = them.Normal(rows, inputs), tw = them.Normal(outputs, inputs), tb = them.Normal(outputs), tdy = them.Normal(rows, outputs);
        return new Pair(
            us.Gradients((tape, of) => Op.Linear.Forward(tape, of[0], of[1], of[2]), dy, x, w, b),
            PeerSide.Gradients(() => Torch.nn.functional.linear(tx, tw, tb), tdy, tx, tw, tb),
            us,
            them);
    });
}
