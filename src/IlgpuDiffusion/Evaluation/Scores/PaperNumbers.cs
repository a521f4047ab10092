namespace IlgpuDiffusion.Evaluation;

/// The numbers of HyperDreamBooth (Ruiz et al. 2024, tables 1 to 4): SD 1.5, 100 people of CelebA-HQ, 30 prompts that were not published. Another model, other people and other
/// prompts than ours: they stand beside our numbers for the order of the methods.
static class PaperNumbers
{
    public const string Mark = "SD 1.5 / CelebA-HQ, from the paper";

    static readonly Measure[] Columns = [Measure.FaceRec, Measure.Dino, Measure.ClipI, Measure.ClipT];

    static readonly Dictionary<string, double[]> ByMethod = new()
    {
        ["hyperdreambooth"] = [0.655, 0.473, 0.577, 0.286],
        ["dreambooth"] = [0.618, 0.441, 0.546, 0.282],
        ["textual-inversion"] = [0.623, 0.289, 0.472, 0.277],
        ["dreambooth-agg-1"] = [0.615, 0.323, 0.431, 0.313],
        ["dreambooth-agg-2"] = [0.616, 0.360, 0.467, 0.302],
        ["no-hyper"] = [0.647, 0.392, 0.498, 0.299],
        ["only-hyper"] = [0.631, 0.414, 0.501, 0.298],
        ["k1"] = [0.648, 0.464, 0.570, 0.288],
    };

    /// Which methods each of the paper's tables compares.
    public static IReadOnlyList<(string Title, IReadOnlyList<string> Methods)> Tables { get; } =
    [
        ("Table 1: methods", ["hyperdreambooth", "dreambooth", "textual-inversion"]),
        ("Table 2: fewer iterations at a higher learning rate", ["hyperdreambooth", "dreambooth", "dreambooth-agg-1", "dreambooth-agg-2"]),
        ("Table 3: the hypernetwork's part", ["hyperdreambooth", "no-hyper", "only-hyper", "k1"]),
    ];

    /// Table 4, fidelity to the identity: 25 people, 5 raters, majority of the votes.
    public static IReadOnlyList<StudyReference> IdentityStudies { get; } =
    [
        new("hyperdreambooth", "dreambooth", 64.8, 23.3, 11.9),
        new("hyperdreambooth", "textual-inversion", 70.6, 21.6, 7.8),
    ];

    public static double? Of(string method, Measure measure) =>
        Array.IndexOf(Columns, measure) is >= 0 and int column && ByMethod.TryGetValue(method, out double[]? numbers) ? numbers[column] : null;
}
