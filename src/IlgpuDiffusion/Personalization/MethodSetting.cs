using System.Globalization;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Personalization;

/// One setting that can be said beside a method's name, for sweeps and ablations. `Values`: what it takes, in words   `Applies`: whether a method has it at all
/// `With`: the method with it; null where the text is no such value
public sealed record MethodSetting(string Name, string Values, Func<Method, bool> Applies, Func<Method, string, Method?> With)
{
    const int Most = 1_000_000;

    static readonly Dictionary<string, LayerSet> Layers = new()
    {
        ["geglu"] = LayerSet.Geglu,
        ["attention"] = LayerSet.Attention,
        ["cross-attention"] = LayerSet.CrossAttention,
        ["unet"] = LayerSet.UNet,
    };

    static readonly Dictionary<string, LidbBasis> Bases = new() { ["random"] = LidbBasis.Random, ["singular"] = LidbBasis.Singular };

    public static IReadOnlyList<MethodSetting> All { get; } =
    [
        Real("learning-rate", Iterates, (m, v) => m with { Optimizer = m.Optimizer with { LearningRate = v } }),
        Whole("steps", Iterates, (m, v) => m with { Steps = v }),
        Whole("pairs", Iterates, (m, v) => m with { Pairs = v, PairsAsked = true }),
        Whole("rank", m => m.Rank > 0 && IsLowRank(m), (m, v) => m with { Rank = v }),
        Whole("a", m => m.Trains == Trains.Lidb, (m, v) => m with { A = v }),
        Whole("b", m => m.Trains == Trains.Lidb, (m, v) => m with { B = v }),
        Named("basis", Bases, m => m.Trains == Trains.Lidb, (m, v) => m with { Basis = v }),
        Named("layers", Layers, m => m.Prediction == PredictionUse.None && IsLowRank(m), (m, v) => m with { Layers = v }),
        Whole("refinements", m => m.Prediction != PredictionUse.None, (m, v) => m with { Refinements = v }),
        Real("min-snr-gamma", Iterates, (m, v) => m with { MinSnrGamma = v }),
        Named("loss-weighting", LossWeightings.Names.ToDictionary(name => name), Iterates, (m, v) => m with { LossWeighting = v }),
        Real("noise-offset", Iterates, (m, v) => m with { NoiseOffset = v }),
        Real("ip-noise-gamma", Iterates, (m, v) => m with { InputPerturbation = v }),
    ];

    /// `text`: a method's name, and after it any number of @setting=value: `lora@rank=4@layers=attention`. The whole text is the method's name.
    /// Errors: unknown methods, settings that there are not or that the method does not have, values that the setting does not take: <see cref="IlgdException"/>.
    public static Method Parse(string text)
    {
        string[] parts = text.Split('@');
        Method method = Method.ByName(parts[0]);
        foreach (string part in parts[1..])
        {
            string[] pair = part.Split('=');
            if (pair.Length != 2 || All.FirstOrDefault(s => s.Name == pair[0]) is not { } setting)
                throw new IlgdException($"'{text}': '{part}' is no SETTING=VALUE; settings are {string.Join(", ", All.Select(s => s.Name))}");
            if (!setting.Applies(method))
                throw new IlgdException($"'{text}': the method {parts[0]} has no {setting.Name}");
            method = setting.With(method, pair[1]) ?? throw new IlgdException($"'{text}': {setting.Name} must be {setting.Values}, not '{pair[1]}'");
        }

        return method with { Name = text };
    }

    static MethodSetting Real(string name, Func<Method, bool> applies, Func<Method, double, Method> with) => new(
        name, "a number above 0", applies,
        (m, text) => double.TryParse(text, CultureInfo.InvariantCulture, out double v) && double.IsFinite(v) && v > 0 ? with(m, v) : null);

    static MethodSetting Whole(string name, Func<Method, bool> applies, Func<Method, int, Method> with) => new(
        name, $"a whole number from 1 to {Most}", applies, (m, text) => int.TryParse(text, CultureInfo.InvariantCulture, out int v) && v is > 0 and <= Most ? with(m, v) : null);

    static MethodSetting Named<T>(string name, Dictionary<string, T> values, Func<Method, bool> applies, Func<Method, T, Method> with) => new(
        name, $"one of {string.Join(", ", values.Keys)}", applies, (m, text) => values.TryGetValue(text, out T? v) ? with(m, v) : null);

    static bool Iterates(Method method) => method.Steps > 0;

    static bool IsLowRank(Method method) => method.Trains is Trains.Lora or Trains.Lidb;
}
