using TorchSharp.Modules;
using Torch = TorchSharp.torch;
using Weights = IlgpuDiffusion.Nn.Weights;

namespace IlgpuDiffusion.Peers.Network;

/// Makes TorchSharp modules under their published keys, so that our weights can be copied into them.
sealed class TorchModules
{
    readonly Dictionary<string, Torch.Tensor> parameters = [];
    readonly Dictionary<string, TorchLinear> linears = [];

    public IReadOnlyCollection<Torch.Tensor> Parameters => parameters.Values;

    /// By key, those that an adapter may change.
    public IReadOnlyDictionary<string, TorchLinear> Linears => linears;

    public TorchLinear Linear(string key, int inputs, int outputs, bool bias = true)
    {
        Linear m = Torch.nn.Linear(inputs, outputs, bias);
        return linears[key] = new TorchLinear(Declared(key, m, m.weight!, m.bias));
    }

    public Conv2d Conv(string key, int inputs, int outputs, int kernel, int stride = 1)
    {
        Conv2d m = Torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel / 2);
        return Declared(key, m, m.weight!, m.bias);
    }

    public GroupNorm GroupNorm(string key, int channels, int groups, double eps)
    {
        GroupNorm m = Torch.nn.GroupNorm(groups, channels, eps);
        return Declared(key, m, m.weight!, m.bias);
    }

    public LayerNorm LayerNorm(string key, int features, double eps = 1e-5)
    {
        LayerNorm m = Torch.nn.LayerNorm(features, eps);
        return Declared(key, m, m.weight!, m.bias);
    }

    public Embedding Embedding(string key, int count, int features)
    {
        Embedding m = Torch.nn.Embedding(count, features);
        return Declared(key, m, m.weight!, null);
    }

    /// Takes the parameters whose keys begin with `prefix`. Errors: the two networks do not have the same ones.
    public void CopyFrom(Weights weights, string prefix = "")
    {
        Nn.Parameter[] taken = [.. weights.Parameters.Where(p => p.Name.StartsWith(prefix, StringComparison.Ordinal))];
        if (taken.Length != parameters.Count)
            throw new IlgdException($"the peer's network has {parameters.Count} parameters, ours {taken.Length}");
        using IDisposable _ = Torch.no_grad();
        foreach (Nn.Parameter p in taken)
        {
            if (!parameters.TryGetValue(p.Name, out Torch.Tensor? to))
                throw new IlgdException($"the peer's network has no parameter '{p.Name}'");
            long[] shape = [.. p.Published.Dims.ToArray().Select(d => (long)d)];
            to.copy_(Torch.tensor(p.ToPublished(p.Value.ToArray())).reshape(shape));
        }

        // The arrays on the way were 5 GB at Stable Diffusion's width, and would stand beside both networks.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
    }

    T Declared<T>(string key, T module, Torch.Tensor weight, Torch.Tensor? bias)
        where T : Torch.nn.Module
    {
        parameters.Add($"{key}.weight", weight);
        if (bias is not null)
            parameters.Add($"{key}.bias", bias);
        return module;
    }
}
