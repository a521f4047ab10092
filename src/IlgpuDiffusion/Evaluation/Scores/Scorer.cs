using System.Numerics.Tensors;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// Pictures said to show a person: `Shown` are the numbers of the prompts that `OfPrompts` were drawn for.
sealed record ScoredPictures(IReadOnlyList<int> Shown, Vectors OfPrompts, Vectors Plain, Vectors OfClass)
{
    public static ScoredPictures Of(Trial trial, Vectors vectors)
    {
        int prompted = trial.Prompted.Count, ofPerson = prompted + trial.Plain.Count;
        return new ScoredPictures([.. Enumerable.Range(0, prompted)], vectors[..prompted], vectors[prompted..ofPerson], vectors[ofPerson..]);
    }
}

/// Measures pictures against the people whom they should show and the prompts that they should follow.
sealed class Scorer
{
    readonly IReadOnlyList<EvaluatedPerson> people;
    readonly IReadOnlyList<EvaluationPrompt> prompts;
    readonly Vectors photos;
    readonly Dictionary<string, Vectors>[] truths;
    readonly Dictionary<string, float[]> captions = [];
    readonly string[] texts;

    public Scorer(Judges judges, IReadOnlyList<EvaluatedPerson> people, IReadOnlyList<EvaluationPrompt> prompts, Subject subject)
    {
        this.people = people;
        this.prompts = prompts;
        photos = Vectors.Of(judges, [.. people.Select(p => p.Photo)]);
        truths = [.. people.Select(p => p.Truths.ToDictionary(t => t.Key, t => Vectors.Of(judges, [t.Value])))];
        texts = [.. prompts.Select(p => subject.Without(p.Text))];
        if (judges.Clip is not { } clip)
            return;
        string[] all = [.. texts.Concat(prompts.SelectMany(p => p.Judged.SelectMany(aspect => Alternatives(p, aspect)))).Distinct()];
        foreach ((string caption, float[] vector) in all.Zip(clip.EmbedCaptions(all)))
            captions.Add(caption, vector);
    }

    /// All measures that the judges, the prompts and the truths at hand allow, of pictures that should show this person.
    public IReadOnlyDictionary<Measure, double> Score(int person, ScoredPictures pictures)
    {
        Dictionary<Measure, double> scores = [];
        Vectors of = pictures.OfPrompts;
        Add(Measure.FaceRec, of.Face?.Select(v => Cosine(v, photos.Face![person])));
        Add(Measure.Dino, of.Dino?.Select(v => Cosine(v, photos.Dino![person])));
        Add(Measure.ClipI, of.Clip?.Select(v => Cosine(v, photos.Clip![person])));
        Add(Measure.ClipT, of.Clip?.Zip(pictures.Shown, (v, p) => Cosine(v, captions[texts[p]])));
        Add(Measure.PromptOk, of.Clip?.Zip(pictures.Shown, (v, p) => (v, prompts[p])).Where(s => s.Item2.Judged.Count > 0).Select(s => Follows(s.v, s.Item2) ? 1.0 : 0));
        Add(Measure.Truth, of.Face?.Zip(pictures.Shown).SelectMany(s => TruthOf(person, s.Second) is { } truth ? [Cosine(s.First, truth.Face![0])] : Array.Empty<double>()));
        Add(Measure.TruthDino, of.Dino?.Zip(pictures.Shown).SelectMany(s => TruthOf(person, s.Second) is { } truth ? [Cosine(s.First, truth.Dino![0])] : Array.Empty<double>()));
        Add(Measure.Retrieval, people.Count < 2 ? null : pictures.Plain.Face?.Select(v => Nearest(v) == person ? 1.0 : 0));
        Add(Measure.Pres, pictures.OfClass.Dino?.Select(v => Cosine(v, photos.Dino![person])));
        Add(Measure.Div, pictures.Plain.Dino is { } plain ? Pairs(plain) : null);
        return scores;

        void Add(Measure measure, IEnumerable<double>? values)
        {
            double[] all = [.. values ?? []];
            if (all.Length > 0)
                scores.Add(measure, all.Average());
        }
    }

    /// The numbers of the prompts that this person has a true picture for, and those pictures' names.
    public IReadOnlyList<(int Prompt, string Truth)> TruthsOf(int person) =>
    [
        .. from prompt in prompts.Index()
           let truth = people[person].TruthOf(prompt.Item)
           where truth is not null
           select (prompt.Index, truth),
    ];

    Vectors? TruthOf(int person, int prompt) => people[person].TruthOf(prompts[prompt]) is { } name ? truths[person][name] : null;

    // Everything that the prompt says is the likeliest of its kind.
    bool Follows(float[] picture, EvaluationPrompt prompt) => prompt.Judged.All(aspect =>
    {
        double[] likely = [.. Alternatives(prompt, aspect).Select(caption => Cosine(picture, captions[caption]))];
        return Array.IndexOf(likely, likely.Max()) == aspect.Of(prompt.Asked);
    });

    // What the prompt asks for, with every value of one aspect.
    static IEnumerable<string> Alternatives(EvaluationPrompt prompt, Aspect aspect) =>
        aspect.Values.Select((_, value) => Data.World.Captions.Of(aspect.With(prompt.Asked, value)));

    int Nearest(float[] face)
    {
        double[] near = [.. photos.Face!.Select(photo => Cosine(face, photo))];
        return Array.IndexOf(near, near.Max());
    }

    static IEnumerable<double> Pairs(float[][] vectors)
    {
        for (int i = 0; i < vectors.Length; i++)
        {
            for (int j = 0; j < i; j++)
                yield return 1 - Cosine(vectors[i], vectors[j]);
        }
    }

    static double Cosine(float[] a, float[] b) => TensorPrimitives.CosineSimilarity<float>(a, b);
}
