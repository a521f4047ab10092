namespace IlgpuDiffusion.Evaluation;

/// What a pair is compared in: all pairs in the first, then all in the second.
public enum StudyCriterion
{
    Identity,
    Description,
}

/// One question with its secret: which method's picture is on which side.
public sealed record StudyQuestion
{
    /// `identity-01`: as the page's script puts it together, from the criterion and the pair's number.
    public required string Id { get; init; }

    public required StudyCriterion About { get; init; }

    /// Group and name.
    public required string Person { get; init; }

    public required string Prompt { get; init; }

    /// Names of methods.
    public required string Left { get; init; }

    public required string Right { get; init; }

    /// The words of the question.
    public static string Text(StudyCriterion about) => about switch
    {
        StudyCriterion.Identity => "Which one is more like this person?",
        _ => "Which one follows the description better?",
    };

    /// The criterion's part of an id.
    public static string NameOf(StudyCriterion about) => $"{about}".ToLowerInvariant();

    /// The pair's part of an id; pairs count from 1.
    public static string NumberOf(int pair) => $"{pair:00}";
}
