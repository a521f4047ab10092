namespace IlgpuDiffusion.Diffusion;

/// The weightings of timesteps by the names that the command line takes.
public static class LossWeightings
{
    /// Larger ratios count as this one where a weighting says so.
    internal const double MostSnr = 1000;

    const string None = "none", OfMinSnr = "min-snr", OfScaledV = "scale-v";

    public static IReadOnlyList<string> Names { get; } = [None, OfMinSnr, "debiased", OfScaledV, "p2"];

    /// `name`: null is Min-SNR where there is its γ, else none   returns null for none, which weighs all timesteps alike
    /// Errors: a name that is not here, a γ for a weighting that has none, scale-v for a model that does not predict v: <see cref="IlgdException"/>.
    public static ILossWeighting? Create(string? name, double? gamma, PredictionType predicts)
    {
        name ??= gamma is null ? None : OfMinSnr;
        if (gamma is { } g && name != OfMinSnr)
            throw new IlgdException($"the loss weighting '{name}' has no gamma, but {g} is given: that is {OfMinSnr}'s; leave one of the two out");
        return name switch
        {
            None => null,
            OfMinSnr => gamma is { } given ? new MinSnr(given) : new MinSnr(),
            "debiased" => new Debiased(),
            OfScaledV when predicts == PredictionType.V => new ScaledV(),
            OfScaledV => throw new IlgdException($"the loss weighting '{OfScaledV}' weighs a loss on v as one on the noise, and this model does not predict v: use one of {string.Join(", ", Names.Where(n => n != OfScaledV))}"),
            "p2" => new P2(),
            _ => throw new IlgdException($"loss weighting '{name}' is not known; use one of: {string.Join(", ", Names)}"),
        };
    }
}
