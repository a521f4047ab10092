using System.Globalization;

namespace IlgpuDiffusion.Personalization;

/// One setting that can be said beside a method's name, for sweeps and ablations. `Applies`: whether a method has it at all
public sealed record MethodSetting(string Name, Func<Method, bool> Applies, Func<Method, double, Method> With)
{
    const int Most = 1_000_000;

    public static IReadOnlyList<MethodSetting> All { get; } =
    [
        new("learning-rate", Iterates, (m, v) => m with { Optimizer = m.Optimizer with { LearningRate = v } }),
        new("steps", Iterates, (m, v) => m with { Steps = Whole(v) }),
        new("pairs", Iterates, (m, v) => m with { Pairs = Whole(v) }),
        new("rank", m => m.Rank > 0 && m.Trains is (Trains.Lora or Trains.Lidb), (m, v) => m with { Rank = Whole(v) }),
        new("a", m => m.Trains == Trains.Lidb, (m, v) => m with { A = Whole(v) }),
        new("b", m => m.Trains == Trains.Lidb, (m, v) => m with { B = Whole(v) }),
        new("refinements", m => m.Prediction != PredictionUse.None, (m, v) => m with { Refinements = Whole(v) }),
        new("min-snr-gamma", Iterates, (m, v) => m with { MinSnrGamma = v }),
    ];

    /// `text`: a method's name, and after it any number of @setting=value: `lora@rank=4@learning-rate=1e-3`. The whole text is the method's name.
    /// Errors: unknown methods, settings that there are not or that the method does not have, values that are no positive numbers: <see cref="IlgdException"/>.
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
            if (!double.TryParse(pair[1], CultureInfo.InvariantCulture, out double value) || !double.IsFinite(value) || value <= 0)
                throw new IlgdException($"'{text}': {setting.Name} must be a number above 0, not '{pair[1]}'");
            method = setting.With(method, value);
        }

        return method with { Name = text };
    }

    static bool Iterates(Method method) => method.Steps > 0;

    static int Whole(double value) => value == Math.Floor(value) && value <= Most
        ? (int)value
        : throw new IlgdException(string.Create(CultureInfo.InvariantCulture, $"{value} is not a whole number from 1 to {Most}, as iterations, pairs, ranks, sizes and refinements are"));
}
