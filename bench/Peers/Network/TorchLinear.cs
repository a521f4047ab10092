using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Network;

/// A linear layer that may have a low-rank update beside it, x Wᵀ + b + (x Aᵀ) Bᵀ, as peft computes it.
sealed class TorchLinear(Linear layer)
{
    Parameter? down;
    Parameter? up;

    /// `down`: (r, in)   `up`: (out, r)
    public void Adapt(Parameter down, Parameter up) => (this.down, this.up) = (down, up);

    public Torch.Tensor Forward(Torch.Tensor x) => down is null ? layer.forward(x) : layer.forward(x) + F.linear(F.linear(x, down), up!);
}
