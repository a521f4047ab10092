using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Cli;

/// What people are asked about an evaluation's pictures: `--study`, `--study-questions`, `--study-seed`.
sealed class StudyOptions
{
    readonly Option<string[]?> study;
    readonly Option<int> questions;
    readonly Option<ulong> seed;

    /// `methods`: the option that says which are run
    public StudyOptions(Verb verb, Option<string[]> methods)
    {
        study = verb.Option<string[]?>("--study", $"Two of the methods for people to compare: writes study.html, to send round, and {StudyKey.FileName}, for `ilgd study`.", "A,B");
        study.AllowMultipleArgumentsPerToken = true;
        study.CustomParser = argument => [.. EvaluateVerb.Items(argument)];
        questions = verb.Number("--study-questions", "Pairs of pictures in the study, evenly over people and prompts and one for each of both at most; every pair is asked about likeness and description.", 1, 1000, 25);
        seed = verb.Number("--study-seed", "Draws the study's pairs and sides.", 0ul, ulong.MaxValue, 0ul);
        verb.Validators.Add(result =>
        {
            if (result.GetValue(study) is not { Length: > 0 } names)
                return;
            if (names.FirstOrDefault(name => result.GetValue(methods)?.Contains(name) == false) is { } stranger)
                result.AddError($"--study: '{stranger}' is none of the methods that --methods names.");
            else if (names.Length != 2 || names[0] == names[1])
                result.AddError($"--study {string.Join(',', names)}: a study is between two methods, A,B.");
        });
    }

    public StudySettings? Of(ParseResult parsed) => parsed.GetValue(study) is [{ } first, { } second]
        ? new StudySettings(first, second) { Pairs = parsed.GetRequiredValue(questions), Seed = parsed.GetRequiredValue(seed) }
        : null;
}
