using System.Numerics.Tensors;
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

    /// What is learned: keys `<target>.down`, `.up` or `.A_train`, `.B_train`. Nothing, where a prediction is taken as it is.
    public Weights Weights { get; } = new();

    /// LoRA of one rank on all targets; A is normal with variance 1/in, B zero.
    public static AdapterSet Lora(IReadOnlyList<AdapterTarget> targets, int rank, float alpha, ulong seed, Device device)
    {
        AdapterSet set = new(
            targets, (t, trained, _) => new Lora(trained.Root.Scope(t.Path), t.Layer.InFeatures, t.Layer.OutFeatures, rank, alpha), device, "LoRA");
        if (device.Plans)
            return set;
        foreach (Lora lora in set.Adapters.Cast<Lora>())
            Start(lora, seed);
        return set;
    }

    static void Start(Lora lora, ulong seed) =>
        lora.Down.Value.CopyFrom(RandomBasis.Gaussian(seed, lora.Down.Name, (int)lora.Down.Shape.Count, 1 / MathF.Sqrt(lora.Down.Shape[1])));

    /// A prediction, frozen, with a LoRA of rank `rank` beside it: <see cref="RelaxedLora"/>.
    public static AdapterSet Relaxed(PredictedUpdate prediction, int rank, ulong seed, Device device)
    {
        AdapterSet set = new(
            prediction.Targets,
            (t, trained, frozen) => new RelaxedLora(trained.Root.Scope(t.Path), frozen.Root.Scope(t.Path), t.Layer.InFeatures, t.Layer.OutFeatures, rank), device, "rank-relaxed LoRA");
        for (int i = 0; i < prediction.Targets.Count; i++)
        {
            RelaxedLora relaxed = (RelaxedLora)set.Adapters[i];
            relaxed.PredictedDown.Value.CopyFrom(prediction.Factors[i].Down);
            relaxed.PredictedUp.Value.CopyFrom(prediction.Factors[i].Up);
            if (relaxed.Lora is { } lora)
                Start(lora, seed);
        }

        return set;
    }

    /// A prediction as the first rank of a LoRA that is trained whole, by its singular value decomposition: the unit direction goes down, its length up.
    public static AdapterSet Continued(PredictedUpdate prediction, int rank, ulong seed, Device device)
    {
        AdapterSet set = Lora(prediction.Targets, rank, rank, seed, device);
        for (int i = 0; i < prediction.Targets.Count; i++)
        {
            Lora lora = (Lora)set.Adapters[i];
            (float[] down, float[] up) = prediction.Factors[i];
            float length = MathF.Max(TensorPrimitives.Norm(down), float.Epsilon);
            float[] downs = lora.Down.Value.ToArray(), ups = lora.Up.Value.ToArray();
            TensorPrimitives.Divide(down, length, downs.AsSpan(0, down.Length));
            for (int o = 0; o < up.Length; o++)
                ups[o * rank] = length * up[o];
            lora.Down.Value.CopyFrom(downs);
            lora.Up.Value.CopyFrom(ups);
        }

        return set;
    }

    /// LiDB on all targets. Bases do not depend on the person and the start comes from the seed and the layer's key alone, so every person shares them: without that, what is
    /// learned for two people could not be compared (gauge freedom). Where a layer is narrower than a or b, the basis is complete.
    public static AdapterSet Lidb(IReadOnlyList<AdapterTarget> targets, int a, int b, int rank, IBasis basis, ulong seed, Device device)
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
        foreach ((AdapterTarget target, Lidb lidb) in targets.Zip(set.Adapters.Cast<Lidb>()))
        {
            (float[] input, float[] output) = basis.For(target, lidb.AAux.Shape[1], lidb.BAux.Shape[0]);
            lidb.AAux.Value.CopyFrom(input);
            lidb.BAux.Value.CopyFrom(output);
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
