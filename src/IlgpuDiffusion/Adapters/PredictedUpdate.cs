namespace IlgpuDiffusion.Adapters;

/// What was predicted for one person: for each layer factors of rank 1, down (1, in) and up (out, 1), and the numbers they come from, (L, a + b).
public sealed record PredictedUpdate(IReadOnlyList<AdapterTarget> Targets, IReadOnlyList<(float[] Down, float[] Up)> Factors, float[] Theta);
