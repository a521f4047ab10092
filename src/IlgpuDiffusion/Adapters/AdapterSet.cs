using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// The adapters of one personalisation: which layers, in which order, and their trainable weights as one array.
public sealed class AdapterSet : IAdaptation, IDisposable
{
    readonly Weights frozen = new();

    AdapterSet(IReadOnlyList<AdapterTarget> targets, Func<AdapterTarget, Weights, Weights, ILowRank> make, Device device, string owner)
    {
        Targets = targets;
        Adapters = [.. targets.Select(target => make(target, Weights, frozen))];
        Weights.Allocate(device, owner);
        frozen.Allocate(device, $"{owner} bases");
    }

    public IReadOnlyList<AdapterTarget> Targets { get; }

    /// One for each target, in the same order.
    public IReadOnlyList<ILowRank> Adapters { get; }

    /// What is learned: keys `<target>.down`, `.up` or `.A_train`, `.B_train`.
    public Weights Weights { get; } = new();

    /// LoRA of one rank on all targets; A is normal with variance 1/in, B zero.
    public static AdapterSet Lora(IReadOnlyList<AdapterTarget> targets, int rank, float alpha, ulong seed, Device device)
    {
        AdapterSet set = new(
            targets, (t, trained, _) => new Lora(trained.Root.Scope(t.Path), t.Layer.InFeatures, t.Layer.OutFeatures, rank, alpha), device, "LoRA");
        if (device.Plans)
            return set;
        foreach (Lora lora in set.Adapters.Cast<Lora>())
            lora.Down.Value.CopyFrom(RandomBasis.Gaussian(seed, lora.Down.Name, (int)lora.Down.Shape.Count, 1 / MathF.Sqrt(lora.Down.Shape[1])));
        return set;
    }

    /// LiDB on all targets. Bases and start come from the seed and the layer's key alone, so every person shares them: without that, what is learned
    /// for two people could not be compared (gauge freedom). Where a layer is narrower than a or b, the basis is complete.
    public static AdapterSet Lidb(IReadOnlyList<AdapterTarget> targets, int a, int b, int rank, ulong seed, Device device)
    {
        AdapterSet set = new(
            targets,
            (t, trained, frozen) => new Lidb(
                trained.Root.Scope(t.Path),
                frozen.Root.Scope(t.Path),
                t.Layer.InFeatures,
                t.Layer.OutFeatures,
                Math.Min(a, t.Layer.InFeatures),
                Math.Min(b, t.Layer.OutFeatures),
                rank),
            device,
            "LiDB");
        if (device.Plans)
            return set;
        foreach (Lidb lidb in set.Adapters.Cast<Lidb>())
        {
            lidb.AAux.Value.CopyFrom(RandomBasis.Columns(seed, lidb.AAux.Name, lidb.AAux.Shape[0], lidb.AAux.Shape[1]));
            lidb.BAux.Value.CopyFrom(RandomBasis.Rows(seed, lidb.BAux.Name, lidb.BAux.Shape[0], lidb.BAux.Shape[1]));
            lidb.ATrain.Value.CopyFrom(RandomBasis.Columns(seed, lidb.ATrain.Name, lidb.ATrain.Shape[0], lidb.ATrain.Shape[1]));
        }

        return set;
    }

    /// Puts the adapters on their layers.
    public void Attach()
    {
        for (int i = 0; i < Targets.Count; i++)
            Targets[i].Layer.Adapter = Adapters[i];
    }

    /// Takes them off: the model is as it was, bit for bit.
    public void Detach()
    {
        foreach (AdapterTarget target in Targets)
            target.Layer.Adapter = null;
    }

    public void Dispose()
    {
        Detach();
        Weights.Dispose();
        frozen.Dispose();
    }
}
