using System.Globalization;
using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Personalization;

/// One setting that can be said beside a method's name, for sweeps and ablations. `Applies`: whether a method has it at all
public sealed record MethodSetting(string Name, Func<Method, bool> Applies, Func<Method, string, Method> With)
{
    const int Most = 1_000_000;

    public static IReadOnlyList<MethodSetting> All { get; } =
    [
        Number("learning-rate", Iterates, (m, v) => m with { Optimizer = m.Optimizer with { LearningRate = v } }),
        Number("steps", Iterates, (m, v) => m with { Steps = Whole(v) }),
        Number("pairs", Iterates, (m, v) => m with { Pairs = Whole(v), PairsAsked = true }),
        Number("rank", m => m.Rank > 0 && m.Trains is (Trains.Lora or Trains.Lidb), (m, v) => m with { Rank = Whole(v) }),
        Number("a", m => m.Trains == Trains.Lidb, (m, v) => m with { A = Whole(v) }),
        Number("b", m => m.Trains == Trains.Lidb, (m, v) => m with { B = Whole(v) }),
        Number("refinements", m => m.Prediction != PredictionUse.None, (m, v) => m with { Refinements = Whole(v) }),
        Number("min-snr-gamma", Iterates, (m, v) => m with { MinSnrGamma = v }),
        Number("noise-offset", Iterates, (m, v) => m with { NoiseOffset = v }),
        Number("ip-noise-gamma", Iterates, (m, v) => m with { InputPerturbation = v }),
        new("loss-weighting", Iterates, (m, v) => m with { LossWeighting = Weighting(v) }),
    ];

    /// `text`: a method's name, and after it any number of @setting=value: `lora@rank=4@learning-rate=1e-3`. The whole text is the method's name.
    /// Errors: unknown methods, settings that there are not or that the method does not have, values that are no positive numbers and no names: <see cref="IlgdException"/>.
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
            try
            {
                method = setting.With(method, pair[1]);
            }
            catch (IlgdException e)
            {
                throw new IlgdException($"'{text}': {e.Message}", e);
            }
        }

        return method with { Name = text };
    }

    static MethodSetting Number(string name, Func<Method, bool> applies, Func<Method, double, Method> with) => new(
        name,
        applies,
        (method, text) => double.TryParse(text, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) && value > 0
            ? with(method, value)
            : throw new IlgdException($"{name} must be a number above 0, not '{text}'"));

    static string Weighting(string name) => LossWeightings.Names.Contains(name)
        ? name
        : throw new IlgdException($"loss-weighting must be one of {string.Join(", ", LossWeightings.Names)}, not '{name}'");

    static bool Iterates(Method method) => method.Steps > 0;

    static int Whole(double value) => value == Math.Floor(value) && value <= Most
        ? (int)value
        : throw new IlgdException(string.Create(CultureInfo.InvariantCulture, $"{value} is not a whole number from 1 to {Most}, as iterations, pairs, ranks, sizes and refinements are"));
}
