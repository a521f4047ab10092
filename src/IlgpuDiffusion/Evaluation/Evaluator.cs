using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// The whole of `ilgd evaluate`: every method on every person, judged; tables, curves and a page. Results are kept in the out folder as they come, so a run that was cut
/// off goes on. `judges`: others than the run's folders name
public sealed class Evaluator(EvaluationRun run, Action<PhaseProgress>? progress = null, Func<Device, Judges>? judges = null, CancellationToken cancellation = default)
{
    // Begins the rest of a control's name after its method's.
    const string Another = ", another person's ";

    const string PhotoItself = "the photo itself", AutoencoderCopy = "the autoencoder's copy of the truth";

    const string FewSamples = "no further samples were drawn (--samples), or one person is alone", NoTruth = "no person has a true picture for these prompts, or no prompt says what must be true";

    // Of what the model as it is follows prompts.
    static readonly double[] Levels = [1, 0.9, 0.8, 0.7, 0.6, 0.5];

    static readonly string[] References = ["dreambooth", "textual-inversion"];

    // What somebody else's pictures can be asked.
    static readonly Measure[] OfIdentity = [Measure.FaceRec, Measure.Dino, Measure.ClipI, Measure.Truth, Measure.TruthDino, Measure.Retrieval, Measure.Pres];

    /// Who is told what the run's device does; null where nobody looks.
    public IDeviceObserver? Observer { get; init; }

    /// Errors: people without pictures, unreadable pictures, models or judges, prompts that are too long: <see cref="IlgdException"/>, before anything is run.
    public EvaluationResult Run()
    {
        using Device device = Device.Open(run.Device, run.Threads, run.Conv, Observer);
        using DiffusionModel model = ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig);
        run = run with { Sampling = run.Sampling.For(model), Methods = [.. run.Methods.Select(method => method.For(model))] };
        foreach (EvaluationPrompt prompt in run.Prompts)
            Prompts.Check(model, run.Subject.Fill(prompt.Text));
        int size = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        EvaluatedPerson[] people = [.. run.People.SelectMany(folder => EvaluatedPerson.Load(folder, size))];
        using Judges found = judges?.Invoke(device) ?? Judges.Load(run.FaceEncoder, run.Dino, run.Clip, run.Model, device);
        using PersonPredictor? predictor = Predictor(model);
        using Arena arena = new(device);
        Scorer scorer = new(found, people, run.Prompts, run.Subject);
        Trials trials = new(run, model, predictor, arena, size, Report);

        EvaluationFiles files = EvaluationFiles.Open(run, people);
        ScoredPictures[] without = [.. Seeds.Select(seed => trials.Without(seed)).Select((trial, seed) => Scored(seed == 0 ? files.Shown(null, Trials.NoMethod, trial) : trial))];
        Ran[,] ran = new Ran[people.Length, run.Methods.Count];
        ScoredPictures[]?[,] mistaken = new ScoredPictures[people.Length, run.Methods.Count][];
        int[] other = Derangement(people);
        for (int i = 0; i < people.Length; i++)
        {
            for (int m = 0; m < run.Methods.Count; m++)
            {
                ran[i, m] = RunOne(people[i], run.Methods[m]);
                mistaken[i, m] = Mistaken(people[i], run.Methods[m], people[other[i]]);
            }

            files.Finish(people[i]);
        }

        RowScores[] rows = [.. Rows()];
        IReadOnlyList<Curve> curves = [.. Enumerable.Range(0, run.Methods.Count).Where(_ => run.Curve.Count > 0).Select(CurveOf)];
        EvaluationResult result = new()
        {
            Settings = run,
            Facts = new RunFacts(trials.Model, new[] { "face", "dino", "clip" }.ToDictionary(name => name, name => found.Named.GetValueOrDefault(name)?.Hash), OwnJudge(predictor, found)),
            Groups = Grouped(rows, people, found),
            People = [.. rows.SelectMany(row => people.Select((p, i) => new PersonScores(p.Group, p.Name, row.Method, row.ByPerson[i])))],
            Curves = curves,
            Equal = Equal(curves, rows[0]),
            Made = trials.Made,
            Found = trials.Found,
        };
        files.Write(result);
        return result;

        ScoredPictures Scored(Trial trial) => ScoredPictures.Of(trial, Vectors.Of(found, trial));

        Ran RunOne(EvaluatedPerson person, Method method)
        {
            IReadOnlyList<int> steps = StepsOf(method);
            List<(double Seconds, double? Loss, long Bytes, ScoredPictures Pictures)[]> seeds = [];
            foreach (ulong seed in Seeds)
            {
                IReadOnlyList<Trial> made = trials.Of(person, method, seed, steps);
                if (seed == 0)
                    files.Shown(person, method.Name, made[^1]);
                seeds.Add([.. made.Select(t => (t.Seconds, t.Loss, t.Bytes, Scored(t)))]);
            }

            return new Ran(
                [.. steps.Select((_, k) => seeds.Average(s => s[k].Seconds))],
                [.. steps.Select((_, k) => seeds.Average(s => s[k].Loss ?? double.NaN))],
                seeds[0][^1].Bytes,
                [.. steps.Select((_, k) => seeds.Select(s => s[k].Pictures).ToArray())]);
        }

        // The method on this person after somebody else's prediction: what of the gain is the person, and what any prediction gives.
        ScoredPictures[]? Mistaken(EvaluatedPerson person, Method method, EvaluatedPerson from)
        {
            if (method.Prediction == PredictionUse.None || from == person || run.Swapped?.Contains(method.Name) == false)
                return null;
            Trial[] made = [.. Seeds.Select(seed => trials.Of(person, method, seed, [method.Steps], from)[0])];
            files.Shown(person, $"{method.Name}{Another}prediction", made[0]);
            return [.. made.Select(Scored)];
        }

        IReadOnlyDictionary<Measure, double> Score(int person, ScoredPictures[] seeds) => RowScores.Mean([.. seeds.Select(pictures => scorer.Score(person, pictures))]);

        IEnumerable<RowScores> Rows()
        {
            yield return new RowScores(Trials.NoMethod, RowKind.Control, [.. people.Select((_, i) => Score(i, without))]) { Reason = run.Samples < 2 ? FewSamples : NoTruth };
            for (int m = 0; m < run.Methods.Count; m++)
            {
                yield return new RowScores(run.Methods[m].Name, RowKind.Method, [.. people.Select((_, i) => Score(i, ran[i, m].Pictures[^1]))])
                {
                    Reason = run.Samples < 2 ? FewSamples : NoTruth,
                    Seconds = [.. people.Select((_, i) => ran[i, m].Seconds[^1])],
                    Bytes = ran[0, m].Bytes,
                };
            }

            for (int m = 0; m < run.Methods.Count; m++)
            {
                if (mistaken[0, m] is not null)
                {
                    yield return new RowScores($"{run.Methods[m].Name}{Another}prediction", RowKind.Control, [.. people.Select((_, i) => Score(i, mistaken[i, m]!))])
                    {
                        Reason = run.Samples < 2 ? FewSamples : NoTruth,
                    };
                }
            }

            for (int m = 0; m < run.Methods.Count && people.Length > 1; m++)
            {
                yield return new RowScores(
                    $"{run.Methods[m].Name}{Another}pictures", RowKind.Control,
                    [.. people.Select((_, i) => Score(i, ran[other[i], m].Pictures[^1]).Where(s => OfIdentity.Contains(s.Key)).ToDictionary(s => s.Key, s => s.Value))])
                {
                    Reason = "the same pictures as in the method's own row",
                };
            }

            yield return new RowScores(PhotoItself, RowKind.Control, [.. people.Select((p, i) => scorer.Score(i, Copies(p)))]) { Reason = "one picture alone" };
            yield return new RowScores(AutoencoderCopy, RowKind.Control, [.. people.Select((_, i) => scorer.Score(i, ThroughAutoencoder(i)))])
            {
                Reason = "only prompts with a true picture are in this row, and one picture each",
            };
        }

        // The photo, for every prompt.
        ScoredPictures Copies(EvaluatedPerson person)
        {
            Vectors one = Vectors.Of(found, [person.Photo]);
            T[]? Repeated<T>(T[]? v) => v is null ? null : [.. Enumerable.Repeat(v[0], run.Prompts.Count)];
            return new ScoredPictures([.. Enumerable.Range(0, run.Prompts.Count)], new Vectors(Repeated(one.Face), Repeated(one.Dino), Repeated(one.Clip)), one[..0], one[..0]);
        }

        // The best that any method could draw with this model.
        ScoredPictures ThroughAutoencoder(int person)
        {
            IReadOnlyList<(int Prompt, string Truth)> shown = scorer.TruthsOf(person);
            PictureSampler sampler = new(model, arena, run.Sampling, run.Subject, size, size);
            RgbImage[] copies =
            [
                .. shown.Select(s => Photo.Encode(model, arena, people[person].Truths[s.Truth]))
                    .SelectMany(encoded => sampler.Decode(ChannelOrder.ToFirst(encoded.Latent, 1, encoded.Shape[2]))),
            ];
            Vectors seen = Vectors.Of(found, copies);
            return new ScoredPictures([.. shown.Select(s => s.Prompt)], seen, seen[..0], seen[..0]);
        }

        Curve CurveOf(int m) => new(run.Methods[m].Name,
        [
            .. StepsOf(run.Methods[m]).Select((step, k) =>
            {
                IReadOnlyDictionary<Measure, double>[] scores = [.. people.Select((_, i) => Score(i, ran[i, m].Pictures[k]))];
                double? Mean(Measure measure) => scores[0].ContainsKey(measure) ? scores.Average(s => s[measure]) : null;
                return new CurvePoint(
                    step, Mean(Measure.FaceRec), Mean(Measure.PromptOk), Mean(Measure.Retrieval), people.Index().Average(p => ran[p.Index, m].Loss[k]), people.Index().Average(p => ran[p.Index, m].Seconds[k]));
            }),
        ]);
    }

    IEnumerable<ulong> Seeds => Enumerable.Range(0, run.Seeds).Select(seed => (ulong)seed);

    // The checkpoints within the method's iterations, ascending, its last always.
    IReadOnlyList<int> StepsOf(Method method) => [.. run.Curve.Where(step => step < method.Steps).Append(method.Steps).Distinct().Order()];

    void Report(PhaseProgress now)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Invoke(now);
    }

    PersonPredictor? Predictor(DiffusionModel model)
    {
        if (run.Methods.FirstOrDefault(m => m.Prediction != PredictionUse.None) is not { } method)
            return null;
        return run.Hypernetwork is { } folder
            ? PersonPredictor.Load(folder, model)
            : throw new IlgdException($"method '{method.Name}' starts from a prediction and the model has no {PersonPredictor.FolderName} folder: name one with --hypernetwork DIR, or leave the method out");
    }

    bool OwnJudge(PersonPredictor? predictor, Judges found) =>
        predictor is not null && found.Face is { } face && face.Hash == EncoderFolder.Hash(Path.Combine(run.Hypernetwork!, PersonPredictor.EncoderName));

    static TableGroup[] Grouped(RowScores[] rows, EvaluatedPerson[] people, Judges judges)
    {
        TableGroup Of(string name, int[] who) => new(name, who.Length, [.. rows.Select(row => row.Of(who, judges))], [.. Compared(rows).Select(pair => pair.Row.Less(pair.Minus, who))]);
        IGrouping<string, int>[] groups = [.. people.Index().GroupBy(p => p.Item.Group, p => p.Index)];
        return [Of("everybody", [.. people.Index().Select(p => p.Index)]), .. groups.Where(_ => groups.Length > 1).Select(g => Of(g.Key, [.. g]))];
    }

    // The first method with each other one, and every method with its controls.
    static IEnumerable<(RowScores Row, RowScores Minus)> Compared(RowScores[] rows)
    {
        RowScores[] methods = [.. rows.Where(r => r.Kind == RowKind.Method)];
        foreach (RowScores other in methods.Skip(1))
            yield return (methods[0], other);
        foreach (RowScores method in methods)
        {
            foreach (RowScores control in rows.Where(r => r.Method.StartsWith($"{method.Method}{Another}", StringComparison.Ordinal)))
                yield return (method, control);
        }
    }

    // Everybody gets the next of the same group; one who is alone in a group, the next of all.
    static int[] Derangement(EvaluatedPerson[] people) =>
    [
        .. people.Index().Select(p =>
        {
            int[] group = [.. people.Index().Where(q => q.Item.Group == p.Item.Group).Select(q => q.Index)];
            return group.Length > 1 ? group[(Array.IndexOf(group, p.Index) + 1) % group.Length] : (p.Index + 1) % people.Length;
        }),
    ];

    static IReadOnlyList<EqualPrompt> Equal(IReadOnlyList<Curve> curves, RowScores without)
    {
        if (curves.Count == 0 || !without.ByPerson[0].ContainsKey(Measure.PromptOk))
            return [];
        double base0 = without.ByPerson.Average(p => p[Measure.PromptOk]);
        return
        [
            .. Levels.Select(share =>
            {
                double level = share * base0;
                IEnumerable<(string Name, double Fidelity)> references =
                    from curve in curves
                    where References.Contains(curve.Method)
                    let fidelity = curve.FidelityAt(level)
                    where fidelity is not null
                    select (curve.Method, fidelity.Value);
                return new EqualPrompt(
                    share, level, curves.ToDictionary(c => c.Method, c => c.FidelityAt(level)),
                    [.. references.Select(r => new SecondsTo(r.Name, r.Fidelity, curves.ToDictionary(c => c.Method, c => c.SecondsTo(r.Fidelity, level))))]);
            }),
        ];
    }

    // One method on one person, at each of its iterations; pictures by iteration and seed.
    sealed record Ran(double[] Seconds, double[] Loss, long Bytes, ScoredPictures[][] Pictures);
}
