namespace IlgpuDiffusion.Adapters;

/// The paper's: the Q factors of Gaussian matrices, a function of the seed and the layer's key alone; so nothing has to be stored.
public sealed class RandomOrthonormal(ulong seed) : IBasis
{
    public string Name => "random";

    public (float[] A, float[] B) For(AdapterTarget target, int a, int b) => (
        RandomBasis.Columns(seed, $"{target.Path}.A_aux", target.Layer.InFeatures, a),
        RandomBasis.Rows(seed, $"{target.Path}.B_aux", b, target.Layer.OutFeatures));
}
