using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Cli;

/// `ilgd study`
sealed class StudyVerb : Verb
{
    readonly Argument<string> key;
    readonly Argument<string[]> answers;
    readonly Option<bool> json;

    public StudyVerb()
        : base(
            "study",
            "Count the votes of a user study that `ilgd evaluate --study` wrote: which method's pictures people find more like the person, which follow descriptions better.",
            $"""
            ilgd study tables/{StudyKey.FileName} answers-*.json
            ilgd study tables/{StudyKey.FileName} answers-1f0c44aa.json answers-9b2e0d17.json --json
            """)
    {
        key = Argument("KEY", $"The {StudyKey.FileName} that was written with the page.");
        answers = new Argument<string[]>("ANSWERS") { Description = "The files that raters saved from the page, one each.", Arity = ArgumentArity.OneOrMore };
        Add(answers);
        json = Option<bool>("--json", "Print JSON, with the votes on every question.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        StudyResult result = StudyTally.Of(StudyKey.Load(parsed.GetRequiredValue(key)), [.. parsed.GetRequiredValue(answers).Select(StudyAnswers.Load)]);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(json))
        {
            output.WriteLine(result.ToJson());
            return 0;
        }

        foreach (string line in StudySummary.Lines(result))
            output.WriteLine(line);
        return 0;
    }
}
