using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Tests.Diffusion;

public sealed class SchedulerConfigTests
{
    [Fact]
    public void A_published_config_is_read_with_the_defaults_of_absent_keys()
    {
        const string json = """
            { "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
              "clip_sample": false, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
              "lambda_min_clipped": -Infinity }
            """;

        Assert.Equal(SchedulerConfig.StableDiffusion with { ClassName = "PNDMScheduler", SkipPrkSteps = true }, SchedulerConfig.Parse(json, "test"));
    }

    [Theory]
    [InlineData("""{ "beta_schedule": "sigmoid" }""", "beta_schedule")]
    [InlineData("""{ "prediction_type": "flow_prediction" }""", "prediction_type")]
    [InlineData("""{ "variance_type": "learned_range" }""", "variance_type")]
    [InlineData("""{ "num_train_timesteps": 0 }""", "num_train_timesteps")]
    [InlineData("""{ "beta_end": 1.5 }""", "beta_end")]
    [InlineData("""{ "thresholding": true }""", "thresholding")]
    [InlineData("""{ "trained_betas": [0.1, 0.2] }""", "trained_betas")]
    [InlineData("""{ "predict_x0": false }""", "predict_x0")]
    [InlineData("""{ "sigma_max": 80 }""", "sigma_max")]
    [InlineData("""{ "solver_p": { "_class_name": "DDIMScheduler" } }""", "solver_p")]
    [InlineData("""{ "interpolation_type": "log_linear" }""", "interpolation_type")]
    [InlineData("""{ "original_inference_steps": 0 }""", "original_inference_steps")]
    public void What_is_not_implemented_is_refused_by_file_and_key(string json, string key)
    {
        string message = Assert.Throws<IlgdException>(() => SchedulerConfig.Parse(json, "some/scheduler_config.json")).Message;

        Assert.Contains("some/scheduler_config.json", message);
        Assert.Contains($"'{key}'", message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public void A_number_of_steps_that_the_schedule_cannot_give_is_refused(int steps)
    {
        DdimScheduler scheduler = new(SchedulerConfig.StableDiffusion);

        Assert.Contains($"{steps} inference steps", Assert.Throws<IlgdException>(() => scheduler.SetTimesteps(steps)).Message);
    }

    [Fact]
    public void A_multistep_scheduler_refuses_a_skipped_step()
    {
        DpmSolverMultistep scheduler = new(SchedulerConfig.StableDiffusion);
        scheduler.SetTimesteps(5);
        scheduler.Step(0, new float[3], new float[3]);

        Assert.Throws<IlgdException>(() => scheduler.Step(2, new float[3], new float[3]));
        scheduler.Step(0, new float[3], new float[3]);
    }

    [Fact]
    public void The_folders_scheduler_is_taken_unless_another_is_named()
    {
        SchedulerConfig config = SchedulerConfig.StableDiffusion with { ClassName = "EulerAncestralDiscreteScheduler" };

        Assert.Equal("euler-a", Schedulers.NameOf(config));
        Assert.IsType<EulerScheduler>(Schedulers.Create(null, config));
        Assert.IsType<UniPcScheduler>(Schedulers.Create("unipc", config));
        Assert.Contains("'plms'", Assert.Throws<IlgdException>(() => Schedulers.Create("plms", config)).Message);
        Assert.Contains("TCDScheduler", Assert.Throws<IlgdException>(() => Schedulers.Create(null, config with { ClassName = "TCDScheduler" })).Message);
    }

    [Fact]
    public void UniPc_with_bh1_ends_at_sigma_0_without_a_hole()
    {
        UniPcScheduler scheduler = new(SchedulerConfig.StableDiffusion with { SolverType = SolverType.Bh1, SolverOrder = 3, LowerOrderFinal = false });
        scheduler.SetTimesteps(5);
        float[] sample = [0.3f, -1, 2];
        for (int i = 0; i < 5; i++)
            scheduler.Step(i, [0.1f, 0.2f, -0.3f], sample);

        Assert.All(sample, v => Assert.True(float.IsFinite(v)));
    }

    [Fact]
    public void A_stochastic_scheduler_without_noise_says_so()
    {
        DdimScheduler ddim = new(SchedulerConfig.StableDiffusion, eta: 1);
        ddim.SetTimesteps(4);
        Assert.Contains("normal draws", Assert.Throws<IlgdException>(() => ddim.Step(0, new float[3], new float[3])).Message);
    }
}
