using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training.Base;
using IlgpuDiffusion.Training.People;
using IlgpuDiffusion.Training.Targets;

namespace IlgpuDiffusion.Training.HyperNetworks;

/// A person of the training set: their pictures, and where those pictures' latents begin.
public sealed record TrainedPerson(Person Person, int FirstLatent)
{
    /// Pictures that can stand for a user's photo.
    public IReadOnlyList<int> Photos { get; } =
        [.. Enumerable.Range(0, Person.Pictures.Count).Where(i => Person.Pictures[i].Context with { Expression = default } == new Data.World.FaceContext())];
}

/// L = α·L_diffusion(θ̂) + β·|θ̂ − θ|² / |θ|²  (HyperDreamBooth, section 4.2), θ̂ from one photo of each person of the batch, the diffusion loss on a picture of the same person.
/// Each sample has its own weights; timesteps are stratified over the batch.
public sealed class HyperLoss(DiffusionModel model, PersonPredictor predictor, PeopleSet people, LatentSet latents, TargetSet? targets, Subject subject, HyperRecipe recipe)
{
    const uint PeopleStream = 1, PhotoStream = 2, PictureStream = 3, SameStream = 4, TimeStream = 5, OrderStream = 6, NoiseStream = 7;

    readonly NoiseSchedule schedule = new(model.Scheduler);
    readonly ILossWeighting? weighting = LossWeightings.Create(recipe.LossWeighting, recipe.MinSnrGamma, model.Scheduler.PredictionType);
    readonly Dictionary<Person, TrainedPerson> trained = Numbered(people);
    readonly Dictionary<PersonPicture, float[]> faces = new(ReferenceEqualityComparer.Instance);

    /// What the last step's loss was made of, unweighted: `train/diffusion` and `train/target`, where they are on.
    public IReadOnlyList<(string Key, double Value)> Parts { get; private set; } = [];

    public Tensor Forward(Tape tape, long step)
    {
        TrainedPerson[] batch = [.. people.Batch(Rng(PeopleStream, step), recipe.People, recipe.RealShare).Select(p => trained[p])];
        int[] photos = [.. batch.Select((p, i) => p.Photos[Rng(PhotoStream, step).Integer(i, 0, p.Photos.Count)])];
        Tensor theta = predictor.Settings.OneFaceToken
            ? predictor.PredictFrom(tape, [.. batch.Select((p, i) => Face(tape.Arena, p.Person.Pictures[photos[i]]))])
            : predictor.Predict(tape, Pictures(tape, batch, photos));
        List<(string, double)> parts = [];
        Tensor? loss = null;
        if (recipe.DiffusionWeight > 0)
            Add("train/diffusion", Diffusion(tape, theta, batch, photos, step), recipe.DiffusionWeight);
        if (recipe.TargetWeight > 0 && Target(tape, theta, batch) is { } target)
            Add("train/target", target, recipe.TargetWeight);
        Parts = parts;
        return loss ?? throw new IlgdException("neither the diffusion loss nor targets for any person of the batch: raise one of the weights, or give targets of the people trained on");

        void Add(string key, Tensor part, double weight)
        {
            parts.Add((key, part.Item()));
            Tensor weighted = Ops.Scale.Forward(tape, part, (float)weight);
            loss = loss is null ? weighted : Ops.Add.Forward(tape, loss, weighted);
        }
    }

    // One token is a few numbers and the encoder is frozen, so a picture goes through it once and not once a step. Nothing of the step is in the arena yet.
    float[] Face(Arena arena, PersonPicture picture)
    {
        if (!faces.TryGetValue(picture, out float[]? face))
            faces.Add(picture, face = predictor.FaceToken(arena, new RgbImage(people.Size, people.Size, picture.Rgb)));
        return face;
    }

    Tensor Pictures(Tape tape, TrainedPerson[] batch, int[] which)
    {
        int size = predictor.Encoder.ImageSize, each = size * size * 3;
        float[] values = new float[batch.Length * each];
        for (int i = 0; i < batch.Length; i++)
            batch[i].Person.Pictures[which[i]].CopyTo(values.AsSpan(i * each, each));
        return tape.From(values, [batch.Length, size, size, 3]);
    }

    Tensor Diffusion(Tape tape, Tensor theta, TrainedPerson[] batch, int[] photos, long step)
    {
        int n = batch.Length, each = (int)latents.Each.Count, tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        float[] x0 = new float[n * each], noise = new float[n * each];
        Rng(NoiseStream, step).FillNormal(noise);
        RngStream same = Rng(SameStream, step), other = Rng(PictureStream, step);
        List<int> ids = [];
        for (int i = 0; i < n; i++)
        {
            IReadOnlyList<PersonPicture> pictures = batch[i].Person.Pictures;
            int picture = same.Uniform(i) < recipe.SamePictureShare ? photos[i] : other.Integer(i, 0, pictures.Count);
            latents[batch[i].FirstLatent + picture].CopyTo(x0.AsSpan(i * each, each));
            ids.AddRange(model.Tokenizer.EncodePadded(subject.Fill(pictures[picture].Prompt), tokens));
        }

        int[] order = Rng(OrderStream, step).Permutation(n), timesteps = Timesteps.Stratified(Rng(TimeStream, step), n, schedule.Count);
        int[] shuffled = [.. order.Select(i => timesteps[i])];
        NoisyBatch noisy = new(x0, noise, shuffled, [n, latents.Each[0], latents.Each[1], latents.Each[2]]);
        predictor.Space.Put(tape, theta);
        Tensor loss = DenoisingLoss.Forward(tape, model.UNet, schedule, noisy, model.TextEncoder.Forward(tape, [.. ids], n), schedule.LossWeights(shuffled, weighting));
        predictor.Space.Detach();
        return loss;
    }

    // Over the people that have a target; null if nobody has.
    Tensor? Target(Tape tape, Tensor theta, TrainedPerson[] batch)
    {
        if (targets is null)
            return null;
        if (targets.Count != predictor.Space.Count)
            throw new IlgdException($"the targets have {targets.Count} numbers a person, the hypernetwork predicts {predictor.Space.Count}: they were fitted with another preset");
        (int layers, int n, int width) = (theta.Shape[0], theta.Shape[1], theta.Shape[2]);
        float[] values = new float[theta.Count], mask = new float[layers * n];
        bool any = false;
        for (int i = 0; i < n; i++)
        {
            ReadOnlySpan<float> one = targets.Of(batch[i].Person.Name);
            if (one.Length == 0)
                continue;
            any = true;
            for (int layer = 0; layer < layers; layer++)
            {
                one.Slice(layer * width, width).CopyTo(values.AsSpan(((layer * n) + i) * width));
                mask[(layer * n) + i] = 1;
            }
        }

        if (!any)
            return null;
        Tensor error = Ops.Mse.Forward(tape, theta, tape.From(values, theta.Shape), tape.From(mask, [layers, n, 1]));
        return Ops.Scale.Forward(tape, error, (float)(1 / targets.Energy));
    }

    RngStream Rng(uint stream, long step) => new(recipe.Seed, stream, (ulong)step);

    static Dictionary<Person, TrainedPerson> Numbered(PeopleSet people)
    {
        Dictionary<Person, TrainedPerson> numbered = new(ReferenceEqualityComparer.Instance);
        int next = 0;
        foreach (Person person in people.Everybody)
        {
            numbered.Add(person, new TrainedPerson(person, next));
            next += person.Pictures.Count;
        }

        return numbered;
    }
}
