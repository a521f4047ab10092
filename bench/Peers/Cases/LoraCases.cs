using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// A frozen linear layer with a low-rank update, forward and backward to x, down and up: one operation here, three products and a sum there.
static class LoraCases
{
    const double Target = 2;
    const float Scale = 0.5f;

    public static IEnumerable<PeerCase> All => [Case(1280, 128, 1024, 16), Case(1280, 128, 128, 4), Case(4096, 320, 320, 4), Case(4096, 320, 2560, 4), Case(1024, 640, 640, 1), Case(77, 768, 320, 4)];

    static PeerCase Case(int rows, int inputs, int outputs, int rank) => new("linear+lora+backward", $"{rows}x{inputs} -> {outputs}, rank {rank}", Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensors.Tensor x = us.Normal(rows, inputs), w = us.Normal(outputs, inputs), b = us.Normal(outputs), down = us.Normal(rank, inputs), up = us.Normal(outputs, rank), dy = us.Normal(rows, outputs);
        Torch.Tensor tx = them.Normal(rows, inputs), tw = them.Normal(outputs, inputs), tb = them.Normal(outputs), tdown = them.Normal(rank, inputs), tup = them.Normal(outputs, rank), tdy = them.Normal(rows, outputs);
        return new Pair(
            us.Gradients((tape, of) => Op.LoraLinear.Forward(tape, of[0], w, b, of[1], of[2], Scale), dy, x, down, up),
            PeerSide.Gradients(() => Torch.nn.functional.linear(tx, tw, tb) + (Torch.nn.functional.linear(Torch.nn.functional.linear(tx, tdown), tup) * Scale), tdy, tx, tdown, tup),
            us,
            them);
    });
}
