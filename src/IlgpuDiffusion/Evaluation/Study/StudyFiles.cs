using System.Text;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// The study of an evaluation: keeps the pictures that its questions need as trials come by, then writes page and key.
sealed class StudyFiles
{
    readonly EvaluationRun run;
    readonly StudySettings settings;
    readonly IReadOnlyList<EvaluatedPerson> people;
    readonly IReadOnlyList<StudyPair> pairs;
    readonly Dictionary<(StudyPair Pair, string Method), byte[]> drawn = [];

    /// Errors: a method that the run has not, or the same one twice.
    public StudyFiles(EvaluationRun run, StudySettings settings, IReadOnlyList<EvaluatedPerson> people)
    {
        this.run = run;
        this.settings = settings;
        this.people = people;
        foreach (string name in (string[])[settings.First, settings.Second])
        {
            if (run.Methods.All(m => m.Name != name))
                throw new IlgdException($"study: '{name}' is none of the methods that are run; it is between two of {string.Join(", ", run.Methods.Select(m => m.Name))}");
        }

        if (settings.First == settings.Second)
            throw new IlgdException($"study: '{settings.First}' would be compared with itself; name two methods");
        pairs = StudyPair.Draw(people.Count, run.Prompts.Count, settings.Pairs, settings.Seed);
    }

    /// Takes from a method's trial what the study shows of it.
    public void Take(EvaluatedPerson person, string method, Trial trial)
    {
        if (method != settings.First && method != settings.Second)
            return;
        foreach (StudyPair pair in pairs.Where(p => people[p.Person] == person))
            drawn[(pair, method)] = ImageFile.EncodePng(trial.Prompted[pair.Prompt]);
    }

    public void Write()
    {
        ShownPair[] shown =
        [
            .. pairs.Select(pair =>
            {
                (byte[] first, byte[] second) = (drawn[(pair, settings.First)], drawn[(pair, settings.Second)]);
                return new ShownPair(
                    ImageFile.EncodePng(people[pair.Person].Photo), run.Subject.Without(run.Prompts[pair.Prompt].Text), pair.FirstIsLeft ? first : second, pair.FirstIsLeft ? second : first);
            }),
        ];
        StudyKey key = StudyKey.Of(StudyPage.IdOf(shown), settings, pairs, [.. people.Select(p => $"{p.Group}/{p.Name}")], [.. run.Prompts.Select(p => p.Text)]);
        Text(StudyPage.FileName, StudyPage.Build(shown));
        Text(StudyKey.FileName, key.ToJson());
    }

    void Text(string name, string text) => AtomicFile.Write(Path.Combine(run.Out, name), stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
