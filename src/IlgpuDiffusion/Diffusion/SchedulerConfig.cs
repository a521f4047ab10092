using System.Text.Json;
using System.Text.Json.Serialization;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Diffusion;

/// What the network's output stands for.
public enum PredictionType
{
    /// the noise ε
    Epsilon,

    /// v = α ε − σ x₀ (Salimans and Ho 2022)
    [JsonStringEnumMemberName("v_prediction")]
    V,

    /// the clean sample x₀
    Sample,
}

/// How β grows with the timestep.
public enum BetaSchedule
{
    /// β linear in t
    Linear,

    /// √β linear in t (latent diffusion)
    ScaledLinear,

    /// ᾱ a squared cosine (Nichol and Dhariwal 2021, eq. 17)
    [JsonStringEnumMemberName("squaredcos_cap_v2")]
    SquaredCosine,
}

/// How n inference timesteps are taken from the trained ones (Lin et al. 2023, table 2).
public enum TimestepSpacing
{
    Linspace,
    Leading,
    Trailing,
}

/// Variance of the DDPM posterior (Ho et al. 2020, section 3.2).
public enum VarianceType
{
    /// β̃, the posterior's own
    FixedSmall,

    /// β̃ through its logarithm: the same number
    FixedSmallLog,

    /// β, the forward process's
    FixedLarge,
}

/// The family of DPM-Solver.
public enum AlgorithmType
{
    /// the ODE in x₀
    [JsonStringEnumMemberName("dpmsolver++")]
    DpmSolverPlusPlus,

    /// the SDE in x₀
    [JsonStringEnumMemberName("sde-dpmsolver++")]
    SdeDpmSolverPlusPlus,
}

/// How a multistep solver weighs its differences.
public enum SolverType
{
    /// DPM-Solver's second order by the midpoint; UniPC takes it as Bh2
    Midpoint,

    /// DPM-Solver's by both ends; UniPC takes it as Bh2
    Heun,

    /// UniPC with B(h) = h; DPM-Solver takes it as Midpoint
    Bh1,

    /// UniPC with B(h) = e^h − 1; DPM-Solver takes it as Midpoint
    Bh2,
}

/// Where a sigma table ends.
public enum FinalSigmasType
{
    Zero,
    SigmaMin,
}

/// `scheduler_config.json`; field names are the published ones in C# spelling. An absent key means the default of the scheduler that
/// reads it, so one folder's file configures any of them; settings without an implementation are refused, not ignored.
public sealed partial record SchedulerConfig
{
    [JsonPropertyName("_class_name")]
    public string? ClassName { get; init; }

    public int NumTrainTimesteps { get; init; } = 1000;
    public double BetaStart { get; init; } = 0.0001;
    public double BetaEnd { get; init; } = 0.02;
    public BetaSchedule BetaSchedule { get; init; } = BetaSchedule.Linear;

    /// β of every timestep; overrides the formula.
    public float[]? TrainedBetas { get; init; }

    public PredictionType PredictionType { get; init; } = PredictionType.Epsilon;

    /// Absent: leading for DDPM, DDIM and PNDM, linspace for those that walk in σ.
    public TimestepSpacing? TimestepSpacing { get; init; }

    /// Added to leading timesteps.
    public int StepsOffset { get; init; }

    /// ᾱ before the first timestep: 1, or ᾱ₀ when false. Absent: true for DDIM, false for PNDM.
    public bool? SetAlphaToOne { get; init; }

    /// Clamps x₀ to ± clip_sample_range. Absent: true for DDPM and DDIM, false for Heun and LCM.
    public bool? ClipSample { get; init; }
    public double ClipSampleRange { get; init; } = 1;

    /// Shifts ᾱ so that the last timestep has no signal left (Lin et al. 2023, algorithm 1).
    public bool RescaleBetasZeroSnr { get; init; }

    public VarianceType? VarianceType { get; init; }

    public AlgorithmType AlgorithmType { get; init; } = AlgorithmType.DpmSolverPlusPlus;
    public int SolverOrder { get; init; } = 2;
    public SolverType SolverType { get; init; } = SolverType.Midpoint;
    public bool LowerOrderFinal { get; init; } = true;
    public bool EulerAtFinal { get; init; }
    public bool UseKarrasSigmas { get; init; }
    public bool UseExponentialSigmas { get; init; }
    public FinalSigmasType FinalSigmasType { get; init; } = FinalSigmasType.Zero;

    /// PNDM starts with one step taken twice instead of three Runge-Kutta steps.
    public bool SkipPrkSteps { get; init; }

    /// UniPC: steps after which the corrector is left out.
    public int[] DisableCorrector { get; init; } = [];
    public bool PredictX0 { get; init; } = true;

    /// LCM: the steps that the model was distilled on, and the factor on t in its boundary condition.
    public int OriginalInferenceSteps { get; init; } = 50;
    public double TimestepScaling { get; init; } = 10;

    /// Euler: how σ is found between trained timesteps, and whether the network is given timesteps or functions of σ.
    public string InterpolationType { get; init; } = "linear";
    public string TimestepType { get; init; } = "discrete";

    /// Timesteps with log(α/σ) below this are left out.
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    public bool Thresholding { get; init; }
    public bool UseLuLambdas { get; init; }
    public bool UseBetaSigmas { get; init; }
    public bool UseFlowSigmas { get; init; }
    public bool UseDynamicShifting { get; init; }

    /// Another range of σ than the trained one, another solver inside UniPC: read to be refused.
    public double? SigmaMin { get; init; }
    public double? SigmaMax { get; init; }
    public double? ShiftTerminal { get; init; }
    public JsonElement? SolverP { get; init; }

    /// The schedule that Stable Diffusion 1.x was trained with.
    public static SchedulerConfig StableDiffusion { get; } = new()
    {
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        BetaSchedule = BetaSchedule.ScaledLinear,
        StepsOffset = 1,
        SetAlphaToOne = false,
        ClipSample = false,
    };

    /// Reads a `scheduler_config.json`.
    public static SchedulerConfig Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// Parses the file's text; `source` names it in errors.
    public static SchedulerConfig Parse(string json, string source)
    {
        try
        {
            SchedulerConfig config = JsonSerializer.Deserialize<SchedulerConfig>(PythonJson.Strict(json), Json)
                ?? throw new IlgdException($"{source}: expected a JSON object, found null");
            config.Check(source);
            return config;
        }
        catch (JsonException e)
        {
            throw new IlgdException($"{source}: key '{e.Path?.TrimStart('$', '.')}': value is not one this program knows ({e.Message})", e);
        }
    }

    void Check(string source)
    {
        Require(NumTrainTimesteps is >= 1 and <= 1_000_000, "num_train_timesteps", NumTrainTimesteps, "1 to 1000000");
        Require(BetaStart is > 0 and < 1, "beta_start", BetaStart, "between 0 and 1");
        Require(BetaEnd is > 0 and < 1, "beta_end", BetaEnd, "between 0 and 1");
        Require(StepsOffset >= 0 && StepsOffset < NumTrainTimesteps, "steps_offset", StepsOffset, "0 to num_train_timesteps - 1");
        Require(SolverOrder is >= 1 and <= 3, "solver_order", SolverOrder, "1, 2 or 3");
        Require(ClipSampleRange > 0, "clip_sample_range", ClipSampleRange, "above 0");
        Require(TrainedBetas is null || TrainedBetas.Length == NumTrainTimesteps, "trained_betas", TrainedBetas?.Length ?? 0,
            $"{NumTrainTimesteps} values (num_train_timesteps)");
        Require(OriginalInferenceSteps >= 1 && OriginalInferenceSteps <= NumTrainTimesteps, "original_inference_steps", OriginalInferenceSteps, "1 to num_train_timesteps");
        Require(TimestepScaling > 0, "timestep_scaling", TimestepScaling, "above 0");
        Only(PredictX0, "predict_x0", "false", "true");
        Only(InterpolationType == "linear", "interpolation_type", InterpolationType, "linear");
        Only(TimestepType == "discrete", "timestep_type", TimestepType, "discrete");
        Refuse(Thresholding, "thresholding");
        Refuse(UseLuLambdas, "use_lu_lambdas");
        Refuse(UseBetaSigmas, "use_beta_sigmas");
        Refuse(UseFlowSigmas, "use_flow_sigmas");
        Refuse(UseDynamicShifting, "use_dynamic_shifting");
        Only(SigmaMin is null, "sigma_min", $"{SigmaMin}", "null");
        Only(SigmaMax is null, "sigma_max", $"{SigmaMax}", "null");
        Only(ShiftTerminal is null, "shift_terminal", $"{ShiftTerminal}", "null");
        Only(SolverP is null or { ValueKind: JsonValueKind.Null }, "solver_p", $"{SolverP}", "null");

        void Require(bool good, string key, double value, string expected)
        {
            if (!good)
                throw new IlgdException($"{source}: key '{key}' is {value}; expected {expected}");
        }

        void Only(bool good, string key, string value, string implemented)
        {
            if (!good)
                throw new IlgdException($"{source}: key '{key}' is {value}, which is not implemented; set it to {implemented}");
        }

        void Refuse(bool set, string key)
        {
            if (set)
                throw new IlgdException($"{source}: key '{key}' is true, which is not implemented; set it to false");
        }
    }

    // Named literals: the default of lambda_min_clipped is written as -Infinity.
    static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };
}
