using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// LiDB's sizes by name: how many directions the bases span on the input side (a) and on the output side (b), the rank, and which layers.
/// On the 192 of Stable Diffusion 1.5 the paper's numbers come out: 28,800 variables, and 385,344 for a LoRA of rank 1.
public sealed record LidbPreset(string Name, int A, int B, int Rank, LayerSet Layers)
{
    public static LidbPreset Paper { get; } = new("paper", 100, 50, 1, LayerSet.Geglu);

    /// The paper's text read literally: "all cross- and self-attention layers", 176 in Stable Diffusion 1.5.
    public static LidbPreset Attention { get; } = new("attention", 100, 50, 1, LayerSet.Attention);

    /// For face-mini, whose layers are 64 to 128 wide.
    public static LidbPreset Mini { get; } = new("mini", 32, 16, 1, LayerSet.Geglu);

    public static IReadOnlyList<LidbPreset> All { get; } = [Paper, Attention, Mini];

    public static LidbPreset ByName(string name) => All.FirstOrDefault(p => p.Name == name)
        ?? throw new IlgdException($"unknown LiDB preset '{name}': use one of {string.Join(", ", All.Select(p => p.Name))}");

    public IReadOnlyList<AdapterTarget> Targets(Weights unet, Weights textEncoder) => AdapterTarget.Of(unet, textEncoder, Layers);

    /// Numbers a person: r·(a + b) a layer, fewer where a layer is narrower than a basis.
    public long Variables(IEnumerable<AdapterTarget> targets) =>
        targets.Sum(t => (long)Rank * (Math.Min(A, t.Layer.InFeatures) + Math.Min(B, t.Layer.OutFeatures)));

    /// Numbers of a LoRA of the same rank on the same layers.
    public long LoraVariables(IEnumerable<AdapterTarget> targets) => targets.Sum(t => (long)Rank * (t.Layer.InFeatures + t.Layer.OutFeatures));
}
