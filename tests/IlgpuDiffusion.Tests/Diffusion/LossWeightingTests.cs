using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Tests.Diffusion;

public sealed class LossWeightingTests
{
    // Both sides are a few operations in double.
    const double Tolerance = 1e-12;

    // Of Stable Diffusion's schedule; at 0 the ratio is 1175, above the bound that two of the weightings have.
    static readonly int[] Steps = [0, 1, 250, 700, 999];

    public static TheoryData<string, PredictionType> Cases
    {
        get
        {
            TheoryData<string, PredictionType> cases = [];
            foreach (string name in LossWeightings.Names.Where(n => n != "none"))
            {
                foreach (PredictionType predicts in Enum.GetValues<PredictionType>().Where(p => name != "scale-v" || p == PredictionType.V))
                    cases.Add(name, predicts);
            }

            return cases;
        }
    }

    // Written out in the powers of the signal, a = α², and of the noise, s = σ² = 1 − a, with a / s the ratio.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_weight_is_the_published_formula(string name, PredictionType predicts)
    {
        NoiseSchedule schedule = new(SchedulerConfig.StableDiffusion with { PredictionType = predicts });
        ILossWeighting weighting = LossWeightings.Create(name, null, predicts)!;
        foreach (int t in Steps)
        {
            double a = schedule.AlphasCumprod[t], s = 1 - a;
            double expected = (name, predicts) switch
            {
                ("min-snr", PredictionType.Epsilon) => Math.Min(1, 5 * s / a),
                ("min-snr", PredictionType.V) => Math.Min(a, 5 * s),
                ("min-snr", _) => Math.Min(a / s, 5),
                ("debiased", PredictionType.Epsilon) => Math.Max(Math.Sqrt(s / a), Math.Sqrt(0.001)),
                ("debiased", PredictionType.V) => Math.Max(s, 1 / 1001.0),
                ("debiased", _) => Math.Min(Math.Sqrt(a / s), Math.Sqrt(1000)),
                ("scale-v", _) => Math.Min(a, 1000 / 1001.0),
                ("p2", PredictionType.Epsilon) => s,
                ("p2", PredictionType.V) => s * a,
                ("p2", _) => a,
                _ => throw new InvalidOperationException($"no formula for {name}"),
            };
            double weight = schedule.LossWeight(t, weighting);
            Assert.InRange(weight, expected * (1 - Tolerance), expected * (1 + Tolerance));
        }

        // What a whole batch gets, and that they are not all the same.
        float[] batch = schedule.LossWeights(Steps, weighting);
        Assert.Equal(Array.ConvertAll(Steps, t => (float)schedule.LossWeight(t, weighting)), batch);
        Assert.True(batch.Distinct().Count() > 2);
    }

    // A loss on ε is SNR / (SNR + 1) of the one on v and SNR of the one on x₀, for the same network: where a paper says nothing else, the weights undo that.
    [Theory]
    [InlineData("min-snr")]
    [InlineData("p2")]
    public void The_same_error_counts_the_same_whatever_the_network_predicts(string name)
    {
        foreach (double snr in (double[])[0.01, 1, 700])
        {
            double Weight(PredictionType predicts) => LossWeightings.Create(name, null, predicts)!.Of(snr, predicts);
            double noise = Weight(PredictionType.Epsilon);
            Assert.Equal(noise * snr / (snr + 1), Weight(PredictionType.V), Tolerance);
            Assert.Equal(noise * snr, Weight(PredictionType.Sample), 1000 * Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void No_weight_is_infinite_where_no_signal_or_no_noise_is_left(string name, PredictionType predicts)
    {
        NoiseSchedule shifted = new(SchedulerConfig.StableDiffusion with { PredictionType = predicts, RescaleBetasZeroSnr = true });
        Assert.Equal(0, shifted.Snr(999));
        ILossWeighting weighting = LossWeightings.Create(name, null, predicts)!;
        double[] weights = [.. Enumerable.Range(0, shifted.Count).Select(t => shifted.LossWeight(t, weighting)), weighting.Of(double.PositiveInfinity, predicts)];
        Assert.All(weights, w => Assert.InRange(w, 0, Math.Sqrt(1000) * (1 + Tolerance)));
        Assert.Contains(weights, w => w > 0);
    }

    [Fact]
    public void A_name_or_a_gamma_says_which_and_what_cannot_be_is_refused_in_words()
    {
        Assert.Null(LossWeightings.Create(null, null, PredictionType.Epsilon));
        Assert.Null(LossWeightings.Create("none", null, PredictionType.V));
        Assert.Equal(new MinSnr(3), LossWeightings.Create(null, 3, PredictionType.Epsilon));
        Assert.Equal(new MinSnr(3), LossWeightings.Create("min-snr", 3, PredictionType.V));
        Assert.Equal(new MinSnr(5), LossWeightings.Create("min-snr", null, PredictionType.V));
        Assert.Empty(new NoiseSchedule(SchedulerConfig.StableDiffusion).LossWeights([3, 900], null));

        static string Refused(string name, double? gamma, PredictionType predicts) => Assert.Throws<IlgdException>(() => LossWeightings.Create(name, gamma, predicts)).Message;
        Assert.Contains("does not predict v", Refused("scale-v", null, PredictionType.Epsilon));
        Assert.Contains("'debiased' has no gamma, but 5 is given", Refused("debiased", 5, PredictionType.Epsilon));
        Assert.Contains("'magic' is not known; use one of: none, min-snr, debiased, scale-v, p2", Refused("magic", null, PredictionType.Epsilon));
    }
}
