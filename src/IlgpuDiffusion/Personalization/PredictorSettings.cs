using IlgpuDiffusion.Adapters;

namespace IlgpuDiffusion.Personalization;

/// What a hypernetwork predicts, from what, and how large it is.
public sealed record PredictorSettings
{
    /// Of <see cref="LidbPreset"/>.
    public string Preset { get; init; } = LidbPreset.Mini.Name;

    /// random, singular or principal
    public string Basis { get; init; } = "random";

    /// The bases start as that and are learned with the network.
    public bool LearnBases { get; init; } = true;

    /// Of random bases and of the start that all people share.
    public ulong BasisSeed { get; init; } = Finetuning.LidbSeed;

    /// All people's A_train starts at one unit vector a layer; without, both factors start at zero.
    public bool SharedStart { get; init; } = true;

    /// The decoder sees the one token that sums the picture up, in front of its own, and not the feature maps.
    public bool OneFaceToken { get; init; }

    public int HiddenSize { get; init; } = 192;

    public int NumAttentionHeads { get; init; } = 6;

    public int NumHiddenLayers { get; init; } = 2;

    public int Refinements { get; init; } = 2;

    /// One face token, frozen random bases, no shared start, four refinements: the form that the paper describes, where it says anything.
    public static PredictorSettings Paper { get; } = new() { LearnBases = false, SharedStart = false, OneFaceToken = true, Refinements = 4 };
}
