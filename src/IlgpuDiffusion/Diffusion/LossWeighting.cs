namespace IlgpuDiffusion.Diffusion;

/// w(SNR): what the loss of a timestep counts for, by its <see cref="NoiseSchedule.Snr"/> = α² / σ². The same error of the network is as a loss on v (SNR + 1) / SNR times, on x₀ 1 / SNR
/// times what it is on ε; so a weight of a loss on ε is multiplied by SNR / (SNR + 1) for one on v and by SNR for one on x₀, where its paper says nothing else.
public interface ILossWeighting
{
    /// Finite and not negative for every ratio from 0, where there is no signal left, to ∞.
    double Of(double snr, PredictionType predicts);
}

/// Min-SNR-γ (Hang et al. 2023): min(SNR, γ) / SNR for ε, min(SNR, γ) / (SNR + 1) for v, min(SNR, γ) for x₀. At SNR 0 the weight for ε is its limit, 1.
public sealed record MinSnr(double Gamma = 5) : ILossWeighting
{
    public double Of(double snr, PredictionType predicts)
    {
        double clipped = Math.Min(snr, Gamma);
        return predicts switch
        {
            PredictionType.Epsilon => snr > 0 ? clipped / snr : 1,
            PredictionType.V => clipped / (snr + 1),
            _ => clipped,
        };
    }
}

/// Debiased estimation (Yu et al. 2024): 1 / √SNR for ε, √SNR for x₀; for v 1 / (SNR + 1), as kohya's sd-scripts have it (`--debiased_estimation_loss`). The ratio counts as 1000 where it is
/// larger, as there; and as 1 / 1000 where it is smaller, which is only where a schedule was shifted to end without signal: there 1 / √SNR has no limit.
public sealed record Debiased : ILossWeighting
{
    public double Of(double snr, PredictionType predicts)
    {
        double bounded = Math.Clamp(snr, 1 / LossWeightings.MostSnr, LossWeightings.MostSnr);
        return predicts switch
        {
            PredictionType.Epsilon => 1 / Math.Sqrt(bounded),
            PredictionType.V => 1 / (bounded + 1),
            _ => Math.Sqrt(bounded),
        };
    }
}

/// A loss on v weighed as if it were one on ε: SNR / (SNR + 1), the ratio counting as 1000 where it is larger (kohya's sd-scripts, `--scale_v_pred_loss_like_noise_pred`).
public sealed record ScaledV : ILossWeighting
{
    public double Of(double snr, PredictionType predicts)
    {
        double bounded = Math.Min(snr, LossWeightings.MostSnr);
        return bounded / (bounded + 1);
    }
}

/// P2 (Choi et al. 2022), 1 / (k + SNR)^γ of a loss on ε, with k = γ = 1: less for what is only left to be cleaned up. For v SNR / (SNR + 1)², for x₀ SNR / (SNR + 1).
public sealed record P2 : ILossWeighting
{
    public double Of(double snr, PredictionType predicts)
    {
        double noise = 1 / (1 + snr);
        return predicts switch
        {
            PredictionType.Epsilon => noise,
            PredictionType.V => noise * (1 - noise),
            _ => 1 - noise,
        };
    }
}
