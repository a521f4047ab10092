using F = TorchSharp.torch.nn.functional;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Network;

static class TorchAttention
{
    /// q: (B, Tq, C)   k, v: (B, Tk, C)   returns (B, Tq, C)
    public static Torch.Tensor Forward(Torch.Tensor q, Torch.Tensor k, Torch.Tensor v, int heads, bool causal = false)
    {
        Torch.Tensor Split(Torch.Tensor x) => x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2);
        return F.scaled_dot_product_attention(Split(q), Split(k), Split(v), is_casual: causal).transpose(1, 2).reshape(q.shape);
    }
}
