using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Adapters;

/// What was predicted for one person: for each layer factors of rank 1, down (1, in) and up (out, 1), and the numbers they come from, (L, a + b).
public sealed record PredictedUpdate(IReadOnlyList<AdapterTarget> Targets, IReadOnlyList<(float[] Down, float[] Up)> Factors, float[] Theta)
{
    /// Zeros in the shape of a prediction for all adapted layers: what a plan needs.
    public static PredictedUpdate Nothing(DiffusionModel model)
    {
        IReadOnlyList<AdapterTarget> targets = AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights);
        return new PredictedUpdate(targets, [.. targets.Select(t => (new float[t.Layer.InFeatures], new float[t.Layer.OutFeatures]))], []);
    }
}
