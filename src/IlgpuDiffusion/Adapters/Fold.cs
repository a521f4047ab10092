using System.Numerics.Tensors;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// Adapters added into a model's weights, W + Σ weight · ΔW: sampling then costs what it costs without. Several add up. Disposing puts the
/// originals back, which are kept and not computed again: the model is as it was, bit for bit.
public sealed class Fold(DiffusionModel model) : IDisposable
{
    readonly IReadOnlyDictionary<string, Parameter> layers = AdapterFile.Layers(model);
    readonly Dictionary<Parameter, float[]> originals = [];

    /// `adapter` comes from <see cref="AdapterFile.Load"/> for this model.
    public void Add(AdapterFile adapter, float weight = 1)
    {
        foreach (AdapterModule module in adapter.Modules)
        {
            Parameter layer = layers[KohyaKeys.Canonical(module.Name)];
            float[] values = layer.Value.ToArray();
            originals.TryAdd(layer, [.. values]);
            TensorPrimitives.MultiplyAdd(layer.ToHeld(module.Delta()), weight, values, values);
            layer.Value.CopyFrom(values);
        }
    }

    public void Dispose()
    {
        foreach ((Parameter layer, float[] original) in originals)
            layer.Value.CopyFrom(original);
        originals.Clear();
    }
}
