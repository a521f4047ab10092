using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Training.HyperNetworks;

/// One who is never trained on: a photo and its latent (h, w, L).
public sealed record ProbePerson(RgbImage Photo, float[] Latent, Shape Shape);

/// Does a hypernetwork carry identity? On people never trained on, with the same noise and timesteps every time: the denoising loss of each person's photo with their *own*
/// prediction, the *mean* of all predictions, *another* person's, and *none*. Only where own is below mean and below another's is it the person that was predicted.
public sealed class HyperProbe(DiffusionModel model, PersonPredictor predictor, Arena arena, string prompt, int pairs, ulong seed)
{
    const uint NoiseStream = 51, TimeStream = 52;

    readonly NoiseSchedule schedule = new(model.Scheduler);

    /// The four losses, and own − other and own − mean with 95 % intervals over people. Keys begin with probe/`kind`/.
    public IEnumerable<(string Key, double Value)> Measure(string kind, IReadOnlyList<ProbePerson> people)
    {
        float[][] own = [.. people.Select(p => predictor.Predict(arena, p.Photo))];
        float[] mean = [.. Enumerable.Range(0, own[0].Length).Select(i => (float)own.Average(o => (double)o[i]))];
        double[] withOwn = Losses(i => own[i]), withMean = Losses(_ => mean), withOther = Losses(i => own[(i + 1) % own.Length]), without = Losses(_ => null);
        yield return ($"probe/{kind}/own", withOwn.Average());
        yield return ($"probe/{kind}/mean", withMean.Average());
        yield return ($"probe/{kind}/shuffled", withOther.Average());
        yield return ($"probe/{kind}/none", without.Average());
        foreach ((string name, double[] other) in ((string, double[])[])[("shuffled", withOther), ("mean", withMean)])
        {
            Interval difference = Bootstrap.Mean([.. withOwn.Zip(other, (a, b) => a - b)]);
            yield return ($"probe/{kind}/own_minus_{name}", difference.Mean);
            yield return ($"probe/{kind}/own_minus_{name}_low", difference.Low);
            yield return ($"probe/{kind}/own_minus_{name}_high", difference.High);
        }

        double[] Losses(Func<int, float[]?> theta) => [.. people.Select((person, i) => Loss(person, i, theta(i)))];
    }

    // The noise is the person's number's: the same in all four cases and in every probe.
    double Loss(ProbePerson person, int number, float[]? theta)
    {
        int each = person.Latent.Length, tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        float[] x0 = [.. Enumerable.Repeat(person.Latent, pairs).SelectMany(x => x)], noise = new float[pairs * each];
        new RngStream(seed, NoiseStream, (ulong)number).FillNormal(noise);
        int[] timesteps = Timesteps.Stratified(new RngStream(seed, TimeStream, (ulong)number), pairs, schedule.Count);
        int[] ids = [.. Enumerable.Repeat(model.Tokenizer.EncodePadded(prompt, tokens), pairs).SelectMany(x => x)];
        Tape tape = new(arena, recording: false);
        if (theta is not null)
            predictor.Space.Put(tape, tape.From(Repeated(theta), [predictor.Space.Targets.Count, pairs, predictor.Space.Width]));
        NoisyBatch batch = new(x0, noise, timesteps, [pairs, person.Shape[0], person.Shape[1], person.Shape[2]]);
        double loss = DenoisingLoss.Forward(tape, model.UNet, schedule, batch, model.TextEncoder.Forward(tape, ids, pairs)).Item();
        predictor.Space.Detach();
        arena.Reset();
        return loss;
    }

    // (L, w) as (L, pairs, w)
    float[] Repeated(float[] theta)
    {
        int width = predictor.Space.Width;
        float[] values = new float[theta.Length * pairs];
        for (int i = 0; i < values.Length; i++)
            values[i] = theta[(i / (width * pairs) * width) + (i % width)];
        return values;
    }
}
