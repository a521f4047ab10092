using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training.Targets;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Training.HyperNetworks;

public class HyperNetworkTests(Devices devices, HyperWorkshop workshop) : DeviceTest(devices), IClassFixture<HyperWorkshop>
{
    static readonly HyperNetworkConfig Config = new()
    {
        Layers = 5,
        Outputs = 6,
        Memory = [[4, 8], [1, 12]],
        HiddenSize = 16,
        NumAttentionHeads = 2,
        IntermediateSize = 32,
        NumHiddenLayers = 2,
        OutputDeviation = 0.1f,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_is_the_same_on_both_devices_and_every_parameter_gets_a_gradient(bool concatenated)
    {
        float[][] results = [.. new[] { "cpu", "cpu-sim" }.Select(device =>
        {
            Arena arena = Arena(device);
            using HyperNetwork network = New(Config with { Concatenated = concatenated }, arena.Device);
            network.Weights.RequireGrad(true);
            network.Mean.RequireGrad(true);
            Tape tape = new(arena);
            Tensor theta = network.Forward(tape, Image(tape));
            Assert.Equal("[5, 2, 6]", theta.Shape.ToString());
            tape.Backward(theta, tape.From(GradCheck.Values((int)theta.Count, 3), theta.Shape));
            foreach (Parameter p in network.Weights.Parameters.Concat(network.Mean.Parameters))
                Assert.True(p.Value.Grad!.ToArray().Any(g => g != 0), $"{p.Name} gets no gradient");
            return (float[])[.. theta.ToArray(), .. network.Weights.Grads.ToArray()];
        })];
        // Sums in another order, through two layers and two refinements.
        Tol.Close(results[1], results[0], 1e-4, "cpu-sim against cpu");
    }

    [Fact]
    public void A_refinement_adds_its_share_of_a_step()
    {
        Arena arena = Arena("cpu");
        using HyperNetwork network = New(Config with { OutputDeviation = 0 }, arena.Device);
        network.Mean.Parameters[0].Value.CopyFrom(GradCheck.Values(30, 2));
        Tape tape = new(arena, recording: false);
        float[] mean = network.Mean.Parameters[0].Value.ToArray();
        foreach (int s in (int[])[1, 2, 4, 8])
        {
            // Without an output matrix each of s refinements adds mean / s: s in binary, so exact.
            float[] theta = network.Forward(tape, Image(tape), s).ToArray();
            Tol.Close(theta, [.. Enumerable.Range(0, 5).SelectMany(l => Enumerable.Repeat(mean[(l * 6)..((l + 1) * 6)], 2)).SelectMany(m => m)], 1e-6, $"s = {s}");
        }
    }

    [Fact]
    public void Refinements_see_what_was_predicted_before()
    {
        Arena arena = Arena("cpu");
        using HyperNetwork network = New(Config, arena.Device);
        Tape tape = new(arena, recording: false);
        Assert.NotEqual(network.Forward(tape, Image(tape), 1).ToArray(), network.Forward(tape, Image(tape), 2).ToArray());
    }

    /// The dead saddle (method.md, trap 2): where A and B both start at zero, neither gets a gradient, and a network that starts by predicting zero never learns.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_first_step_gives_every_layer_a_gradient(bool paper)
    {
        PredictorSettings settings = HyperWorkshop.Small with { SharedStart = !paper, OneFaceToken = paper };
        float[] gradient = MeanGradient(settings, out int layers);
        for (int layer = 0; layer < layers; layer++)
            Assert.True(gradient.Skip(layer * gradient.Length / layers).Take(gradient.Length / layers).Any(g => g != 0), $"layer {layer} gets no gradient");
    }

    [Fact]
    public void Both_factors_at_zero_are_the_dead_saddle_that_this_test_of_gradients_sees() =>
        Assert.All(MeanGradient(HyperWorkshop.Small with { SharedStart = false }, out _, outputDeviation: 0), g => Assert.Equal(0, g));

    [Fact]
    public void A_saved_predictor_predicts_the_same_bits_and_refuses_another_base()
    {
        Device device = Device("cpu");
        string place = workshop.Model.NewPlace();
        RgbImage picture = Picture();
        float[] expected;
        using (DiffusionModel model = workshop.Load(device))
        using (PersonPredictor predictor = New(model, HyperWorkshop.Small))
        {
            // As if it had been learned.
            predictor.Space.Bases.Values.CopyFrom(GradCheck.Values((int)predictor.Space.Bases.Values.Count, 6));
            expected = predictor.Predict(Arena("cpu"), picture);
            predictor.Save(place, LidbFile.BaseHash(model));
            using PersonPredictor loaded = PersonPredictor.Load(place, model);
            Assert.Equal(expected, loaded.Predict(Arena("cpu"), picture));
            Assert.Equal(predictor.Space.Bases.Values.ToArray(), loaded.Space.Bases.Values.ToArray());
            Assert.NotEqual(expected, loaded.Predict(Arena("cpu"), picture, refinements: 5));
            model.UNet.Weights.Parameters[0].Value.CopyFrom(new float[model.UNet.Weights.Parameters[0].Shape.Count]);
            Assert.Contains("another base model", Assert.Throws<IlgdException>(() => PersonPredictor.Load(place, model)).Message);
        }
    }

    /// The gauge trap (method.md, trap 3): ΔW stays the same when A grows as B shrinks, so targets that start anywhere are no function of the picture. With one start, the same noise and
    /// shared second moments the same photo gives the same numbers.
    [Fact]
    public void The_same_photo_fitted_as_two_people_gives_the_same_numbers()
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using LidbSpace space = Space(model, seed: 1);
        float[] one = GradCheck.Values(8 * 8 * 4, 1), other = GradCheck.Values(8 * 8 * 4, 2);
        float[][] theta = Fit(model, space, [one, other, one]);
        Assert.Equal(theta[0], theta[2]);
        Assert.True(Distance(theta[0], theta[1]) > 0.01 * Distance(theta[0], new float[theta[0].Length]), "two photos give one θ");
        Assert.Equal(theta[0], Fit(model, space, [one, other, one])[0]);
    }

    [Fact]
    public void Another_start_gives_other_numbers_for_the_same_photo()
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using LidbSpace space = Space(model, seed: 1), elsewhere = Space(model, seed: 2);
        float[] photo = GradCheck.Values(8 * 8 * 4, 1);
        float[] here = Fit(model, space, [photo])[0], there = Fit(model, elsewhere, [photo])[0];
        // As far apart as two unrelated vectors: √2 of their length, and more than half of that.
        Assert.True(Distance(here, there) > 0.7 * Distance(here, new float[here.Length]));
    }

    [Fact]
    public void Fitting_brings_the_loss_of_each_person_down()
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using LidbSpace space = Space(model, seed: 1);
        float[] one = GradCheck.Values(8 * 8 * 4, 1), other = GradCheck.Values(8 * 8 * 4, 2);
        float[][] theta = Fit(model, space, [one, other], steps: 40);
        Assert.True(Loss(one, theta[0]) < Loss(one, null));
        Assert.True(Loss(other, theta[1]) < Loss(other, null));

        double Loss(float[] latent, float[]? weights)
        {
            NoiseSchedule schedule = new(model.Scheduler);
            float[] noise = new float[16 * latent.Length];
            new RngStream(77, 1, 0).FillNormal(noise);
            Arena arena = Arena("cpu");
            Tape tape = new(arena, recording: false);
            if (weights is not null)
                space.Put(tape, tape.From(weights, [space.Targets.Count, 1, space.Width]));
            int[] ids = [.. Enumerable.Repeat(model.Tokenizer.EncodePadded("a sks face", 24), 16).SelectMany(x => x)];
            NoisyBatch batch = new([.. Enumerable.Repeat(latent, 16).SelectMany(x => x)], noise, Timesteps.Stratified(new RngStream(77, 2, 0), 16, schedule.Count), [16, 8, 8, 4]);
            double loss = DenoisingLoss.Forward(tape, model.UNet, schedule, batch, model.TextEncoder.Forward(tape, ids, 16)).Item();
            space.Detach();
            arena.Reset();
            return loss;
        }
    }

    float[][] Fit(DiffusionModel model, LidbSpace space, float[][] latents, int steps = 6) =>
        new TargetFitting(model, space, new TargetRecipe { Steps = steps, WarmupSteps = 2 }, "a sks face", Arena("cpu")).Fit(latents, [8, 8, 4]);

    static LidbSpace Space(DiffusionModel model, ulong seed) => new(
        LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights), LidbPreset.Mini, new RandomOrthonormal(9), seed, model.Device);

    static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => ((double)x - y) * (x - y)).Sum());

    // The gradient of the diffusion loss in `mean`, which every prediction contains: zero there is zero for the whole network.
    float[] MeanGradient(PredictorSettings settings, out int layers, float? outputDeviation = null)
    {
        Arena arena = Arena("cpu");
        using DiffusionModel model = workshop.Load(arena.Device);
        using PersonPredictor predictor = New(model, settings);
        if (outputDeviation == 0)
            predictor.Hyper.Weights["output"].Value.CopyFrom(new float[predictor.Hyper.Weights["output"].Shape.Count]);
        predictor.Hyper.Mean.RequireGrad(true);
        layers = predictor.Space.Targets.Count;
        Tape tape = new(arena);
        Tensor theta = predictor.Predict(tape, tape.From(GradCheck.Values(2 * 16 * 16 * 3, 3), [2, 16, 16, 3]));
        predictor.Space.Put(tape, theta);
        int[] ids = [.. Enumerable.Repeat(model.Tokenizer.EncodePadded("a sks face", 24), 2).SelectMany(x => x)];
        NoisyBatch batch = new(GradCheck.Values(512, 4), GradCheck.Values(512, 5), [200, 700], [2, 8, 8, 4]);
        tape.Backward(DenoisingLoss.Forward(tape, model.UNet, new NoiseSchedule(model.Scheduler), batch, model.TextEncoder.Forward(tape, ids, 2)));
        float[] gradient = predictor.Hyper.Mean.Parameters[0].Value.Grad!.ToArray();
        predictor.Space.Detach();
        arena.Reset();
        return gradient;
    }

    static PersonPredictor New(DiffusionModel model, PredictorSettings settings)
    {
        PersonPredictor predictor = PersonPredictor.Create(model, HyperWorkshop.NewEncoder(model.Device), settings, new RandomOrthonormal(settings.BasisSeed));
        predictor.Hyper.Initialize(3);
        return predictor;
    }

    static HyperNetwork New(HyperNetworkConfig config, Device device)
    {
        HyperNetwork network = new(config);
        network.Allocate(device);
        network.Initialize(4);
        return network;
    }

    static Tensor[] Image(Tape tape) => [tape.From(GradCheck.Values(2 * 4 * 8, 1), [2, 4, 8]), tape.From(GradCheck.Values(2 * 12, 2), [2, 1, 12])];

    static RgbImage Picture() => new(16, 16, [.. Enumerable.Range(0, 768).Select(i => (byte)(i * 37))]);
}
