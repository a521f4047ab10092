using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;

namespace IlgpuDiffusion.Adapters;

/// The LoRA that comes nearest to what a finetuning changed: the truncated singular value decomposition of every layer's ΔW = tuned − base
/// (Eckart and Young 1936). Computed by the randomised range finder with power iterations (Halko et al. 2011, algorithm 4.4): a full decomposition of a
/// 10,240 × 1,280 matrix would take minutes a layer.
public static class LoraExtraction
{
    const int Oversampling = 8, PowerIterations = 4;
    const ulong Seed = 20110501;

    /// The layers that adapters are put on, as modules of at most `rank`, scale 1; layers that did not change are left out. `Lost` is the share of
    /// ‖ΔW‖ of all of them that the rank does not hold. Errors: nothing changed; models of different shape.
    public static (IReadOnlyList<AdapterModule> Modules, double Lost) Extract(DiffusionModel original, DiffusionModel tuned, int rank)
    {
        Dictionary<string, AdapterTarget> after = AdapterTarget.Of(tuned.UNet.Weights, tuned.TextEncoder.Weights).ToDictionary(t => t.Path);
        List<AdapterModule> modules = [];
        double whole = 0, lost = 0;
        foreach (AdapterTarget before in AdapterTarget.Of(original.UNet.Weights, original.TextEncoder.Weights))
        {
            if (!after.TryGetValue(before.Path, out AdapterTarget? now) || now.Layer.InFeatures != before.Layer.InFeatures || now.Layer.OutFeatures != before.Layer.OutFeatures)
                throw new IlgdException($"'{before.Path}' is not the same layer in both models: they are of different architecture");
            float[] delta = now.Layer.Weight.Value.ToArray(), weight = before.Layer.Weight.Value.ToArray();
            for (int i = 0; i < delta.Length; i++)
                delta[i] -= weight[i];
            double norm = Math.Sqrt(delta.Sum(v => (double)v * v));
            if (norm == 0)
                continue;
            (float[] down, float[] up, int r, double missed) = Factor(delta, before.Layer.OutFeatures, before.Layer.InFeatures, rank, before.Path);
            modules.Add(new AdapterModule(before.Component, before.Key, r, r, 1, down, up));
            whole += norm * norm;
            lost += missed * missed;
        }

        return modules.Count > 0
            ? (modules, Math.Sqrt(lost / whole))
            : throw new IlgdException("the two models are the same in every layer that adapters are put on: there is nothing to extract");
    }

    /// The nearest up · down of rank r = min(rank, in, out); the singular values are shared evenly between both.   delta: (out, in)
    /// returns down (r, in), up (out, r), and ‖delta − up · down‖
    public static (float[] Down, float[] Up, int Rank, double Missed) Factor(float[] delta, int outFeatures, int inFeatures, int rank, string name)
    {
        int r = Math.Min(rank, Math.Min(outFeatures, inFeatures)), k = Math.Min(r + Oversampling, Math.Min(outFeatures, inFeatures));
        Matrix<double> a = Matrix<double>.Build.Dense(outFeatures, inFeatures, (i, j) => delta[(i * inFeatures) + j]);
        float[] gaussian = RandomBasis.Gaussian(Seed, name, inFeatures * k);
        Matrix<double> range = Orthonormal(a * Matrix<double>.Build.Dense(inFeatures, k, (i, j) => gaussian[(i * k) + j]));
        for (int i = 0; i < PowerIterations; i++)
            range = Orthonormal(a * Orthonormal(a.TransposeThisAndMultiply(range)));

        // delta ≈ Q B with B = Qᵀ delta; Bᵀ = P R, R = U S Vᵀ, so B = V S (P U)ᵀ.
        QR<double> qr = a.TransposeThisAndMultiply(range).QR(QRMethod.Thin);
        Svd<double> svd = qr.R.Svd();
        Matrix<double> left = range * svd.VT.Transpose(), right = qr.Q * svd.U;
        float[] down = new float[r * inFeatures], up = new float[outFeatures * r];
        for (int c = 0; c < r; c++)
        {
            double root = Math.Sqrt(svd.S[c]);
            for (int j = 0; j < inFeatures; j++)
                down[(c * inFeatures) + j] = (float)(root * right[j, c]);
            for (int i = 0; i < outFeatures; i++)
                up[(i * r) + c] = (float)(root * left[i, c]);
        }

        Matrix<double> d = Matrix<double>.Build.Dense(r, inFeatures, (i, j) => down[(i * inFeatures) + j]);
        Matrix<double> u = Matrix<double>.Build.Dense(outFeatures, r, (i, j) => up[(i * r) + j]);
        return (down, up, r, (a - (u * d)).FrobeniusNorm());
    }

    static Matrix<double> Orthonormal(Matrix<double> m) => m.QR(QRMethod.Thin).Q;
}
