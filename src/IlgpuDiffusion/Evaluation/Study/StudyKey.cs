using System.Text.Json;

namespace IlgpuDiffusion.Evaluation;

/// `study-key.json`: what the page does not say.
public sealed record StudyKey
{
    public const string FileName = "study-key.json";

    /// <see cref="StudyPage.IdOf"/> of the page that this is the key of.
    public required string Study { get; init; }

    public required string First { get; init; }

    public required string Second { get; init; }

    public required ulong Seed { get; init; }

    public required IReadOnlyList<StudyQuestion> Questions { get; init; }

    /// Every pair under every criterion. `people`, `prompts`: the names that the pairs' places stand for
    public static StudyKey Of(string study, StudySettings settings, IReadOnlyList<StudyPair> pairs, IReadOnlyList<string> people, IReadOnlyList<string> prompts) => new()
    {
        Study = study,
        First = settings.First,
        Second = settings.Second,
        Seed = settings.Seed,
        Questions =
        [
            .. from about in Enum.GetValues<StudyCriterion>()
               from numbered in pairs.Index()
               let pair = numbered.Item
               select new StudyQuestion
               {
                   Id = $"{StudyQuestion.NameOf(about)}-{StudyQuestion.NumberOf(numbered.Index + 1)}",
                   About = about,
                   Person = people[pair.Person],
                   Prompt = prompts[pair.Prompt],
                   Left = pair.FirstIsLeft ? settings.First : settings.Second,
                   Right = pair.FirstIsLeft ? settings.Second : settings.First,
               },
        ],
    };

    /// Errors: a file that is not there or is no such key.
    public static StudyKey Load(string path)
    {
        StudyKey key = StudyJson.Load<StudyKey>(path, $"the {FileName} of a study");
        bool Sides(StudyQuestion q) => (q.Left == key.First && q.Right == key.Second) || (q.Left == key.Second && q.Right == key.First);
        if (key.First == key.Second || key.Questions.Count == 0 || !key.Questions.All(q => q is not null && Sides(q)) || key.Questions.DistinctBy(q => q.Id).Count() != key.Questions.Count)
            throw new IlgdException($"{path}: a key has two methods and questions with one of them on each side, each question once; take the file that evaluate --study wrote");
        return key;
    }

    public string ToJson() => JsonSerializer.Serialize(this, StudyJson.Options);
}
