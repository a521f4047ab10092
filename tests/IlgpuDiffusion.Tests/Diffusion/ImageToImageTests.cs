using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Diffusion;

/// No golden of the fixtures begins from a picture, so the reference is what the definition says: a picture that is known exactly comes back exactly.
public sealed class ImageToImageTests
{
    const int Numbers = 64;

    public static TheoryData<string> Schedulers => [.. IlgpuDiffusion.Diffusion.Schedulers.Names];

    // StableDiffusionImg2ImgPipeline.get_timesteps: min(int(n * strength), n) steps are left.
    [Theory]
    [InlineData(50, 0.8, 10)]
    [InlineData(50, 1.0, 0)]
    [InlineData(30, 0.35, 20)]
    [InlineData(4, 0.3, 3)]
    [InlineData(10, 0.99, 1)]
    public void As_many_steps_are_left_out_as_in_diffusers(int steps, double strength, int first)
    {
        Assert.Equal(first, ImageToImage.FirstCall(Make("ddim", steps), steps, strength));
        Assert.Equal(2 * first, ImageToImage.FirstCall(Make("heun", steps), steps, strength));
    }

    [Fact]
    public void A_strength_that_leaves_no_step_is_an_error() =>
        Assert.Contains("leaves none", Assert.Throws<IlgdException>(() => ImageToImage.FirstCall(Make("ddim", 10), 10, 0.05)).Message);

    /// The noise added at the first call is the noise that the scheduler takes out: a network that knows the picture brings it back whatever the sampler and the strength.
    /// The walk's noise level is measured on the way: what the network sees at a call has the noise of that timestep.
    [Theory]
    [MemberData(nameof(Schedulers))]
    public void A_network_that_knows_the_picture_brings_it_back(string name)
    {
        SchedulerConfig config = SchedulerConfig.StableDiffusion with { ClipSample = false, SkipPrkSteps = true };
        NoiseSchedule schedule = new(config);
        float[] x0 = GradCheck.Values(Numbers, 1), noise = GradCheck.Values(Numbers, 2);
        foreach (double strength in (double[])[0.3, 0.6, 1])
        {
            const int steps = 10;
            IScheduler scheduler = IlgpuDiffusion.Diffusion.Schedulers.Create(name, config);
            scheduler.SetTimesteps(steps);
            int first = ImageToImage.FirstCall(scheduler, steps, strength);
            float[] sample = new float[Numbers];
            ImageToImage.AddNoise(scheduler, config, first, x0, noise, sample);
            List<float> seen = [];
            float[]? start = null;
            Sampler.Run(
                (x, t) =>
                {
                    start ??= [.. x];
                    seen.Add(t);
                    (double alpha, double sigma) = AlphaSigma(schedule, scheduler, t, first + seen.Count - 1);
                    return [.. x.Zip(x0, (v, clean) => (float)((v - (alpha * clean)) / sigma))];
                },
                scheduler, sample, destination => destination.Clear(), first: first);

            Assert.Equal(scheduler.Timesteps.Skip(first), seen);
            (double startAlpha, double startSigma) = AlphaSigma(schedule, scheduler, scheduler.Timesteps[first], first);
            Tol.Close(start!, [.. x0.Zip(noise, (x, z) => (float)((startAlpha * x) + (startSigma * z)))], 1e-5, $"{name} {strength}: what the network sees first");
            // The last level of noise that is left: √(1 − ᾱ₀) = 0.03 where the walk does not end at 0, and of LCM c_skip of it.
            Tol.Close(sample, x0, 0.1, $"{name} {strength}");
        }
    }

    [Fact]
    public void A_sampler_that_remembers_begins_with_no_memory_wherever_it_begins()
    {
        // From call 4 on the second-order solver takes a first-order step first: DDIM's, written out.
        SchedulerConfig config = SchedulerConfig.StableDiffusion;
        IScheduler scheduler = IlgpuDiffusion.Diffusion.Schedulers.Create("dpm++", config);
        scheduler.SetTimesteps(20);
        float[] sample = GradCheck.Values(Numbers, 1), output = GradCheck.Values(Numbers, 2), expected = new float[Numbers];
        (double a, double s) = Split(scheduler.Sigmas[4]);
        (double aNext, double sNext) = Split(scheduler.Sigmas[5]);
        for (int i = 0; i < Numbers; i++)
            expected[i] = (float)((aNext * (sample[i] - (s * output[i])) / a) + (sNext * output[i]));
        scheduler.BeginAt(4);
        scheduler.Step(4, output, sample);
        Tol.Close(sample, expected, 1e-5, "first step");

        static (double, double) Split(double ratio) => (1 / Math.Sqrt(1 + (ratio * ratio)), ratio / Math.Sqrt(1 + (ratio * ratio)));
    }

    [Fact]
    public void Runge_kutta_steps_cannot_be_begun_in_the_middle()
    {
        PndmScheduler scheduler = new(SchedulerConfig.StableDiffusion with { SkipPrkSteps = false });
        scheduler.SetTimesteps(20);
        Assert.Contains("skip_prk_steps", Assert.Throws<IlgdException>(() => scheduler.BeginAt(3)).Message);
    }

    // Of what the network sees at a call: by timestep, or by σ where the sampler walks in it.
    static (double Alpha, double Sigma) AlphaSigma(NoiseSchedule schedule, IScheduler scheduler, float t, int call)
    {
        if (scheduler.Sigmas.IsEmpty)
            return schedule.AlphaSigma((int)t);
        double ratio = scheduler.Sigmas[call], alpha = 1 / Math.Sqrt(1 + (ratio * ratio));
        return (alpha, ratio * alpha);
    }

    static IScheduler Make(string name, int steps)
    {
        IScheduler scheduler = IlgpuDiffusion.Diffusion.Schedulers.Create(name, SchedulerConfig.StableDiffusion);
        scheduler.SetTimesteps(steps);
        return scheduler;
    }
}
