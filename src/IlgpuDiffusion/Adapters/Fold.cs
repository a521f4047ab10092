using System.Numerics.Tensors;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// Adapters added into a model's weights, W + Σ weight · ΔW: sampling then costs what it costs without. Several add up. Detaching or disposing puts the
/// originals back, which are kept and not computed again: the model is as it was, bit for bit. Of each adapted layer the host holds the one form that the model does not;
/// with `keep` false it holds none, and the adapters stay.
public sealed class Fold(DiffusionModel model, bool keep = true) : IAdaptation, IDisposable
{
    readonly IReadOnlyDictionary<string, Parameter> layers = AdapterFile.Layers(model);
    readonly Dictionary<Parameter, float[]> others = [];
    bool attached = true;
    float[] spare = [];

    public bool IsEmpty { get; private set; } = true;

    /// `adapter` comes from <see cref="AdapterFile.Load"/> for this model.
    public void Add(AdapterFile adapter, float weight = 1)
    {
        Attach();
        foreach (AdapterModule module in adapter.Modules)
        {
            Parameter layer = layers[module.Path];
            Span<float> values = Spare(layer);
            layer.Value.CopyTo(values);
            if (keep && !others.ContainsKey(layer))
                others[layer] = values.ToArray();
            TensorPrimitives.MultiplyAdd(layer.ToHeld(module.Delta()), weight, values, values);
            layer.Value.CopyFrom(values);
            IsEmpty = false;
        }
    }

    public void Attach() => Exchange(wanted: true);

    /// Errors: originals that were not kept.
    public void Detach()
    {
        if (!keep && !IsEmpty)
            throw new InvalidOperationException("the originals were not kept");
        Exchange(wanted: false);
    }

    void Exchange(bool wanted)
    {
        if (attached == wanted)
            return;
        attached = wanted;
        foreach ((Parameter layer, float[] other) in others)
        {
            Span<float> values = Spare(layer);
            layer.Value.CopyTo(values);
            layer.Value.CopyFrom(other);
            values.CopyTo(other);
        }
    }

    Span<float> Spare(Parameter layer)
    {
        if (spare.Length < layer.Shape.Count)
            spare = new float[layer.Shape.Count];
        return spare.AsSpan(0, (int)layer.Shape.Count);
    }

    public void Dispose() => Exchange(wanted: false);
}
