using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

public class StudyTallyTests
{
    // Of six questions and four raters; A is the first method's, B the second's, - cannot tell.
    static readonly string[] Votes = ["AAB-", "AABB", "---A", "BBB-", "AA--", "AB-A"];

    static readonly StudyOutcome[] Majorities = [StudyOutcome.First, StudyOutcome.Undecided, StudyOutcome.Undecided, StudyOutcome.Second, StudyOutcome.Undecided, StudyOutcome.First];

    [Fact]
    public void Majorities_and_ties_are_as_counted_by_hand()
    {
        StudyCase study = new(seed: 5, pairs: Votes.Length);
        StudyResult result = StudyTally.Of(study.Key, Raters(study));
        Assert.Equal((4, 4), (result.Raters, result.People));
        foreach (StudyTable table in result.Tables)
        {
            Assert.Equal(Majorities, table.Questions.Select(q => q.Majority));
            Shares(table.Majority, 2 / 6.0, 1 / 6.0, 3 / 6.0);
            Shares(table.Votes, 9 / 24.0, 7 / 24.0, 8 / 24.0);
            // Of the pairs of votes on one question 5, 4, 3, 3, 4, 5 of 6 differ; of all 24 · 23, 9 · 15 + 7 · 17 + 8 · 16.
            Assert.Equal(1 - (24 / 36.0 / (382 / 552.0)), table.KrippendorffAlpha!.Value, 1e-12);
        }

        StudyResult again = StudyTally.Of(study.Key, [.. Raters(study).Reverse()]);
        Assert.Equal(result.ToJson(), again.ToJson());
    }

    [Fact]
    public void The_interval_is_over_people_and_certain_where_all_are_alike()
    {
        StudyCase study = new(pairs: 7);
        StudyTable alike = StudyTally.Of(study.Key, [study.By("a", q => q.Left == StudyCase.First ? StudyChoice.Left : StudyChoice.Right)]).Tables[0];
        Assert.Equal(new StudyShares(new Interval(1, 1, 1), new Interval(0, 0, 0), new Interval(0, 0, 0)), alike.Majority);
        Assert.Null(alike.KrippendorffAlpha);

        // One of four people is undecided altogether: the share is that of questions, the interval that of drawing people.
        string person = study.Key.Questions[0].Person;
        StudyTable mixed = StudyTally.Of(study.Key, [study.By("a", q => q.Person == person ? StudyChoice.Undecided : StudyChoice.Left)]).Tables[0];
        Assert.Equal(study.Key.Questions.Count(q => q.Person == person) / 14.0, mixed.Majority.Undecided.Mean, 1e-12);
        Assert.Equal(0, mixed.Majority.Undecided.Low);
        Assert.InRange(mixed.Majority.Undecided.High, 0.5, 1);
    }

    [Fact]
    public void Answers_that_do_not_belong_are_refused_by_name()
    {
        StudyCase study = new(), other = new(seed: 4);
        StudyAnswers good = study.By("good", _ => StudyChoice.Left), bad = study.By("bad", _ => StudyChoice.Right);
        Refused("answers-strange.json: answers of study", good, other.By("strange", _ => StudyChoice.Left));
        Refused("answers-good.json: rater good is counted already, in answers-good.json", good, bad, good);
        Refused("answers-bad.json: 1 of 14 questions have no answer: identity-02", good, bad with { Answers = bad.Answers.Where(a => a.Key != "identity-02").ToDictionary() });
        Refused("answers-bad.json: answers identity-99, which", good, bad with { Answers = bad.Answers.Append(KeyValuePair.Create("identity-99", StudyChoice.Left)).ToDictionary() });
        Refused("a study without answers");

        void Refused(string said, params StudyAnswers[] answers) => Assert.StartsWith(said, Assert.Throws<IlgdException>(() => StudyTally.Of(study.Key, answers)).Message);
    }

    static StudyAnswers[] Raters(StudyCase study) =>
    [
        .. Enumerable.Range(0, Votes[0].Length).Select(rater => study.By($"{rater}", q => Votes[int.Parse(q.Id[^2..]) - 1][rater] switch
        {
            'A' => q.Left == StudyCase.First ? StudyChoice.Left : StudyChoice.Right,
            'B' => q.Left == StudyCase.Second ? StudyChoice.Left : StudyChoice.Right,
            _ => StudyChoice.Undecided,
        })),
    ];

    static void Shares(StudyShares shares, double first, double second, double undecided)
    {
        Assert.Equal(first, shares.First.Mean, 1e-12);
        Assert.Equal(second, shares.Second.Mean, 1e-12);
        Assert.Equal(undecided, shares.Undecided.Mean, 1e-12);
        Assert.True(shares.First.Low <= first && first <= shares.First.High);
    }
}
