using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// The space in which a person is a vector θ: for each of L layers a + b numbers, of which the first a are A_train and the others B_train of rank 1,
///
///     A_train = a₀ + s·θ_A,   B_train = θ_B,   ΔWᵀ = A_aux·A_train·B_train·B_aux
///
/// a₀ is one unit vector a layer, the same for everybody: ΔW does not change when A grows as B shrinks (gauge freedom), and without a shared start two people's θ could not
/// be compared or predicted. s makes steps of A a quarter of B's. The paper's own form has no a₀ and s = 1: `sharedStart` false.
public sealed class LidbSpace : IDisposable
{
    const float AStep = 0.25f;

    readonly PersonFactors[] factors;
    readonly (Parameter A, Parameter B)[] bases;
    readonly float[][] starts;
    readonly LidbPreset preset;
    readonly float aStep;

    public LidbSpace(IReadOnlyList<AdapterTarget> targets, LidbPreset preset, IBasis basis, ulong seed, Device device, bool sharedStart = true)
    {
        if (preset.Rank != 1)
            throw new IlgdException($"LiDB preset '{preset.Name}' has rank {preset.Rank}; people are predicted at rank 1");
        Targets = targets;
        this.preset = preset;
        aStep = sharedStart ? AStep : 1;
        factors = [.. targets.Select(_ => new PersonFactors())];
        bases =
        [
            .. targets.Select(t => (
                Bases.Root.Scope(t.Path).Get("A_aux", [t.Layer.InFeatures, AOf(t)]),
                Bases.Root.Scope(t.Path).Get("B_aux", [BOf(t), t.Layer.OutFeatures]))),
        ];
        Bases.Allocate(device, "LiDB bases");
        starts = [.. targets.Select(t => new float[AOf(t)])];
        for (int i = 0; i < targets.Count && !device.Plans; i++)
        {
            (float[] a, float[] b) = basis.For(targets[i], AOf(targets[i]), BOf(targets[i]));
            bases[i].A.Value.CopyFrom(a);
            bases[i].B.Value.CopyFrom(b);
            if (sharedStart)
                starts[i] = RandomBasis.Columns(seed, $"{targets[i].Path}.A_train", AOf(targets[i]), 1);
        }
    }

    public IReadOnlyList<AdapterTarget> Targets { get; }

    /// a + b: numbers a layer. Where a layer is narrower than a basis the last ones of each part do nothing.
    public int Width => preset.A + preset.B;

    /// Numbers a person.
    public int Count => Targets.Count * Width;

    /// A_aux and B_aux of every layer: frozen, or learned with the network that predicts θ.
    public Weights Bases { get; } = new();

    /// Puts S people on the layers, one for each sample of the batches that follow on this tape; one person alone serves batches of any size.   theta: (L, S, a + b)
    public void Put(Tape tape, Tensor theta)
    {
        if (theta.Shape.Rank != 3 || theta.Shape[0] != Targets.Count || theta.Shape[2] != Width)
            throw new ArgumentException($"LiDB: θ is {theta.Shape}; expected ({Targets.Count}, people, {Width})");
        Tensor[] layers = Ops.Unstack.Forward(tape, theta);
        for (int i = 0; i < layers.Length; i++)
        {
            factors[i].Current = FactorsOf(tape, i, layers[i]);
            Targets[i].Layer.Adapter = factors[i];
        }
    }

    /// Takes them off.
    public void Detach()
    {
        foreach (AdapterTarget target in Targets)
            target.Layer.Adapter = null;
    }

    /// One person's θ, layer by layer (L·(a + b)), as plain factors of each layer: down (1, in) and up (out, 1).
    public IReadOnlyList<(float[] Down, float[] Up)> Multiplied(Arena arena, float[] theta)
    {
        Tape tape = new(arena, recording: false);
        Tensor[] layers = Ops.Unstack.Forward(tape, tape.From(theta, [Targets.Count, 1, Width]));
        (float[], float[])[] result =
        [
            .. layers.Select((layer, i) =>
            {
                LowRankFactors f = FactorsOf(tape, i, layer);
                return (f.Down.ToArray(), f.Up.ToArray());
            }),
        ];
        arena.Reset();
        return result;
    }

    // one: (S, a + b) of layer i
    LowRankFactors FactorsOf(Tape tape, int i, Tensor one)
    {
        (int samples, int a, int b) = (one.Shape[0], bases[i].A.Shape[1], bases[i].B.Shape[0]);
        Tensor change = Ops.Scale.Forward(tape, Ops.Slice.Forward(tape, one, 1, 0, a), aStep);
        float[] starting = [.. Enumerable.Repeat(starts[i], samples).SelectMany(s => s)];
        Tensor aTrain = Ops.Reshape.Forward(tape, Ops.Add.Forward(tape, change, tape.From(starting, [samples, a])), [samples, a, 1]);
        Tensor bTrain = Ops.Reshape.Forward(tape, Ops.Slice.Forward(tape, one, 1, preset.A, b), [samples, 1, b]);
        Tensor down = Ops.LidbCompose.Down(tape, bases[i].A, aTrain), up = Ops.LidbCompose.Up(tape, bTrain, bases[i].B);
        return samples > 1
            ? new LowRankFactors(down, up, 1)
            : new LowRankFactors(Ops.Reshape.Forward(tape, down, [1, down.Shape[2]]), Ops.Reshape.Forward(tape, up, [up.Shape[1], 1]), 1);
    }

    int AOf(AdapterTarget t) => Math.Min(preset.A, t.Layer.InFeatures);

    int BOf(AdapterTarget t) => Math.Min(preset.B, t.Layer.OutFeatures);

    public void Dispose()
    {
        Detach();
        Bases.Dispose();
    }

    // What is on one layer now.
    sealed class PersonFactors : ILowRank
    {
        public LowRankFactors Current { get; set; }

        public LowRankFactors Factors(Tape tape) => Current;
    }
}
