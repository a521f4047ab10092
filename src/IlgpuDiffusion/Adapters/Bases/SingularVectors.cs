namespace IlgpuDiffusion.Adapters;

/// The layer's own strongest directions: the first right and left singular vectors of W, as in LoRA-XS (Bałazy et al. 2024).
public sealed class SingularVectors : IBasis
{
    public string Name => "singular";

    public (float[] A, float[] B) For(AdapterTarget target, int a, int b)
    {
        (int outputs, int inputs) = (target.Layer.OutFeatures, target.Layer.InFeatures);
        Svd svd = Svd.Of(target.Layer.Weight.Value.ToArray(), outputs, inputs);
        return (OrthonormalBasis.Completed(svd.Right(a), inputs, a), OrthonormalBasis.Rows(OrthonormalBasis.Completed(svd.Left(b), outputs, b), outputs, b));
    }
}
