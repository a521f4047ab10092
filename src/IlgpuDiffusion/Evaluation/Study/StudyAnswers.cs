using System.Text.Json.Serialization;

namespace IlgpuDiffusion.Evaluation;

/// What one can say to a question.
public enum StudyChoice
{
    Left,
    Right,

    /// Cannot tell.
    Undecided,
}

/// One rater's file, as the page saves it.
public sealed record StudyAnswers
{
    /// The page's own.
    public required string Study { get; init; }

    /// A random word that the page drew; nothing about the rater.
    public required string Rater { get; init; }

    /// By the question's id.
    public required IReadOnlyDictionary<string, StudyChoice> Answers { get; init; }

    /// Where it was read from, for messages.
    [JsonIgnore]
    public string Source { get; init; } = "answers";

    /// Errors: a file that is not there or holds no answers.
    public static StudyAnswers Load(string path) => StudyJson.Load<StudyAnswers>(path, "the answers that a study's page saves") with { Source = path };
}
