using F = TorchSharp.torch.nn.functional;
using torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Torch;

static class TorchAttention
{
    /// q: (B, Tq, C)   k, v: (B, Tk, C)   returns (B, Tq, C)
    public static torch.Tensor Forward(torch.Tensor q, torch.Tensor k, torch.Tensor v, int heads, bool causal = false)
    {
        torch.Tensor Split(torch.Tensor x) => x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2);
        return F.scaled_dot_product_attention(Split(q), Split(k), Split(v), is_casual: causal).transpose(1, 2).reshape(q.shape);
    }
}
