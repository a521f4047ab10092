namespace IlgpuDiffusion.Evaluation;

/// A study in which people compare the pictures of two of an evaluation's methods. `First` and `Second`: the methods' names.
public sealed record StudySettings(string First, string Second)
{
    /// Pairs of pictures to compare: HyperDreamBooth asked about 25 people. At most one for each person and prompt is shown.
    public int Pairs { get; init; } = 25;

    /// Draws the pairs and the sides.
    public ulong Seed { get; init; }
}
