namespace IlgpuDiffusion.Evaluation;

/// Counts a study's votes.
public static class StudyTally
{
    const int Named = 3;

    /// A function of the key and the answers alone; their order does not matter. Errors: answers of another study, from one rater twice, to too few questions or to ones
    /// that the study has not; no answers.
    public static StudyResult Of(StudyKey key, IReadOnlyList<StudyAnswers> answers)
    {
        if (answers.Count == 0)
            throw new IlgdException("a study without answers has no result; name the files that raters saved");
        foreach (StudyAnswers rater in answers)
            Check(key, rater);
        if (answers.GroupBy(a => a.Rater).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new IlgdException($"{twice.ElementAt(1).Source}: rater {twice.Key} is counted already, in {twice.First().Source}; leave one of the files out");

        return new StudyResult
        {
            Study = key.Study,
            First = key.First,
            Second = key.Second,
            Raters = answers.Count,
            People = key.Questions.Select(q => q.Person).Distinct().Count(),
            Tables = [.. key.Questions.GroupBy(q => q.About).OrderBy(g => g.Key).Select(about => Table(about.Key, [.. about.Select(q => Votes(key, q, answers))]))],
        };
    }

    static void Check(StudyKey key, StudyAnswers rater)
    {
        if (rater.Study != key.Study)
            throw new IlgdException($"{rater.Source}: answers of study {rater.Study}, the key is of study {key.Study}; give the key that was written with the page");
        string[] questions = [.. key.Questions.Select(q => q.Id)];
        if (rater.Answers.Keys.Except(questions).ToArray() is { Length: > 0 } unknown)
            throw new IlgdException($"{rater.Source}: answers {Some(unknown)}, which the study does not ask; give the file as the page saved it");
        if (questions.Except(rater.Answers.Keys).ToArray() is { Length: > 0 } missing)
            throw new IlgdException($"{rater.Source}: {missing.Length} of {questions.Length} questions have no answer: {Some(missing)}; give the file as the page saved it");
    }

    static string Some(string[] ids) => string.Join(", ", ids.Take(Named)) + (ids.Length > Named ? ", …" : "");

    static StudyVotes Votes(StudyKey key, StudyQuestion question, IReadOnlyList<StudyAnswers> answers)
    {
        StudyOutcome[] votes = [.. answers.Select(a => Outcome(key, question, a.Answers[question.Id]))];
        int Of(StudyOutcome outcome) => votes.Count(v => v == outcome);
        return new StudyVotes(question.Id, question.Person, question.Prompt, Of(StudyOutcome.First), Of(StudyOutcome.Second), Of(StudyOutcome.Undecided));
    }

    static StudyOutcome Outcome(StudyKey key, StudyQuestion question, StudyChoice choice) =>
        choice == StudyChoice.Undecided ? StudyOutcome.Undecided
        : (choice == StudyChoice.Left ? question.Left : question.Right) == key.First ? StudyOutcome.First
        : StudyOutcome.Second;

    static StudyTable Table(StudyCriterion about, StudyVotes[] questions) => new(
        about,
        StudyQuestion.Text(about),
        Shares(questions, (question, outcome) => question.Majority == outcome ? 1 : 0),
        Shares(questions, (question, outcome) => Counts(question)[(int)outcome]),
        KrippendorffAlpha.Nominal([.. questions.Select(Counts)]),
        questions);

    static int[] Counts(StudyVotes votes) => [votes.First, votes.Second, votes.Undecided];

    static StudyShares Shares(StudyVotes[] questions, Func<StudyVotes, StudyOutcome, int> count)
    {
        StudyVotes[][] people = [.. questions.GroupBy(q => q.Person).Select(g => g.ToArray())];
        double[] ByPerson(Func<StudyVotes, int> of) => [.. people.Select(person => (double)person.Sum(of))];
        double[] all = ByPerson(question => Enum.GetValues<StudyOutcome>().Sum(outcome => count(question, outcome)));
        Interval Of(StudyOutcome outcome) => Bootstrap.Ratio(ByPerson(question => count(question, outcome)), all);
        return new StudyShares(Of(StudyOutcome.First), Of(StudyOutcome.Second), Of(StudyOutcome.Undecided));
    }
}
