using System.Numerics.Tensors;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// Adapters added into a model's weights, W + Σ weight · ΔW: sampling then costs what it costs without. Several add up. Detaching or disposing puts the
/// originals back, which are kept and not computed again: the model is as it was, bit for bit.
public sealed class Fold(DiffusionModel model) : IAdaptation, IDisposable
{
    readonly IReadOnlyDictionary<string, Parameter> layers = AdapterFile.Layers(model);
    readonly Dictionary<Parameter, (float[] Original, float[] Folded)> weights = [];

    public bool IsEmpty => weights.Count == 0;

    /// `adapter` comes from <see cref="AdapterFile.Load"/> for this model.
    public void Add(AdapterFile adapter, float weight = 1)
    {
        foreach (AdapterModule module in adapter.Modules)
        {
            Parameter layer = layers[module.Path];
            if (!weights.TryGetValue(layer, out (float[] Original, float[] Folded) values))
            {
                float[] original = layer.Value.ToArray();
                weights[layer] = values = (original, [.. original]);
            }

            TensorPrimitives.MultiplyAdd(layer.ToHeld(module.Delta()), weight, values.Folded, values.Folded);
            layer.Value.CopyFrom(values.Folded);
        }
    }

    public void Attach()
    {
        foreach ((Parameter layer, (_, float[] folded)) in weights)
            layer.Value.CopyFrom(folded);
    }

    public void Detach()
    {
        foreach ((Parameter layer, (float[] original, _)) in weights)
            layer.Value.CopyFrom(original);
    }

    public void Dispose() => Detach();
}
