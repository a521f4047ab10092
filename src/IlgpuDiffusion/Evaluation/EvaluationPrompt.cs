using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// A prompt with `[V]`, and what must be true of a picture that follows it: `Judged` are the aspects that it says something of, `Asked` their values.
public sealed record EvaluationPrompt(string Text, FaceContext Asked, IReadOnlyList<Aspect> Judged)
{
    const string Resource = "prompts.txt";

    /// The 30 that are fixed: `prompts.txt` beside this file.
    public static IReadOnlyList<EvaluationPrompt> Standard { get; } = ReadStandard();

    /// The prompt that says nothing but who it is.
    public static string PlainOf(Subject subject) => $"a {Subject.Placeholder} {subject.ClassNoun}";

    /// Names that a picture which shows the truth of this prompt may have: the prompt as a file name, or the values asked for (`smiling`, `pencil-sketch-smiling`).
    public IEnumerable<string> TruthNames
    {
        get
        {
            yield return Prompts.Slug(Text);
            string[] values = [.. Aspect.All.Reverse().Where(a => a.Of(Asked) > 0).Select(a => a.Values[a.Of(Asked)])];
            if (values.Length > 0)
                yield return string.Join('-', values);
        }
    }

    /// One prompt a line, `text | aspect: value, aspect: value`; the part after the bar may be left out: then nothing of it is judged.
    /// Errors: a file that cannot be read, an aspect or a value that this program does not know, with the line.
    public static IReadOnlyList<EvaluationPrompt> Read(string path) => [.. Prompts.Read(path).Select(line => Parse(path, line))];

    static EvaluationPrompt Parse(string source, string line)
    {
        string[] parts = line.Split('|', 2, StringSplitOptions.TrimEntries);
        FaceContext asked = new();
        List<Aspect> judged = [];
        foreach (string demand in parts.Length < 2 ? [] : parts[1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = demand.Split(':', 2, StringSplitOptions.TrimEntries);
            Aspect aspect = Aspect.All.FirstOrDefault(a => a.Name == pair[0])
                ?? throw new IlgdException($"{source}: \"{line}\": '{pair[0]}' is not one of {string.Join(", ", Aspect.All.Select(a => a.Name))}");
            int value = pair.Length < 2 ? -1 : aspect.Values.ToList().IndexOf(pair[1]);
            if (value < 0)
                throw new IlgdException($"{source}: \"{line}\": {aspect.Name} '{(pair.Length < 2 ? "" : pair[1])}' is not one of {string.Join(", ", aspect.Values)}");
            asked = aspect.With(asked, value);
            judged.Add(aspect);
        }

        return new EvaluationPrompt(parts[0], asked, judged);
    }

    static IReadOnlyList<EvaluationPrompt> ReadStandard()
    {
        using StreamReader reader = new(typeof(EvaluationPrompt).Assembly.GetManifestResourceStream(Resource)!);
        return [.. Prompts.Lines(reader.ReadToEnd().Split('\n')).Select(line => Parse(Resource, line))];
    }
}
