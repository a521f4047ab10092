using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Personalization;

/// How many numbers a person is, in the paper's terms (HyperDreamBooth, section 4.1): its 28,800 of LiDB are 7.5 % of a LoRA of rank 1 and a ten-thousandth of the model.
/// `Lidb`: what was predicted, or else with the method's a and b on all adapted layers   `LoraRank1`: on the same layers   `Full`: UNet and text encoder   `Saved`: what the run's adapter holds
public sealed record ModelSizes(long Lidb, long LoraRank1, long Full, long Saved)
{
    public static ModelSizes Of(DiffusionModel model, Method method, long saved, PredictedUpdate? prediction = null)
    {
        IReadOnlyList<AdapterTarget> targets = AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights);
        LidbPreset lidb = new("the method's", method.A, method.B, 1, LayerSet.Geglu);
        return new ModelSizes(prediction?.Theta.Length ?? lidb.Variables(targets), lidb.LoraVariables(targets), model.UNet.Weights.Count + model.TextEncoder.Weights.Count, saved);
    }

    /// The paper: 0.075.
    public double LidbOfLora => Math.Round((double)Lidb / LoraRank1, 4);

    /// The paper: 10,000.
    public double FullOfLidb => Math.Round((double)Full / Lidb, 1);
}
