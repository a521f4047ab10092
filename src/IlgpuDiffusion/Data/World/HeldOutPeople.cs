namespace IlgpuDiffusion.Data.World;

/// The london-faces people that no training ever sees (base model, autoencoder, hypernetwork, evaluators), kept for tables
/// on real people with a neutral and a smiling photograph each. Rule: of the 81 ids in sorted order every third (the 3rd,
/// 6th, 9th ...), the first 24 of those; by number alone, so nobody was chosen for how well a method draws them.
public static class HeldOutPeople
{
    public static IReadOnlyList<string> London { get; } =
    [
        "004", "007", "010", "014", "019", "022", "026", "032", "036", "039", "043", "063",
        "069", "083", "092", "097", "103", "108", "114", "119", "122", "126", "129", "134",
    ];

    /// subject: "data set/person", as in Photo.Subject.
    public static bool Contains(string subject) => subject.StartsWith(Prefix, StringComparison.Ordinal) && London.Contains(subject[Prefix.Length..]);

    const string Prefix = "london-faces/";
}
