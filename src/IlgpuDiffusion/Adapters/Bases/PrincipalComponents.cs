namespace IlgpuDiffusion.Adapters;

/// The directions in which fitted adapters differ from nothing: the first singular vectors of all people's ΔW side by side, right ones for the inputs and left ones
/// for the outputs (weights2weights, Dravid et al. 2024, does this over whole models). `adapters`: each person's modules.
public sealed class PrincipalComponents(IReadOnlyList<AdapterFile> adapters) : IBasis
{
    readonly ILookup<string, AdapterModule> modules = adapters.SelectMany(f => f.Modules).ToLookup(m => m.Path);

    public string Name => "principal";

    /// Errors: no adapter has this layer.
    public (float[] A, float[] B) For(AdapterTarget target, int a, int b)
    {
        AdapterModule[] people = [.. modules[target.Path]];
        if (people.Length == 0)
            throw new IlgdException($"principal components: none of the {adapters.Count} adapters has {target.Path}");
        (int inputs, int outputs) = (target.Layer.InFeatures, target.Layer.OutFeatures);
        // ΔWᵀΔW summed over people has the right singular vectors of all ΔW stacked as its eigenvectors, and ΔWΔWᵀ the left ones.
        double[] right = new double[inputs * inputs], left = new double[outputs * outputs];
        foreach (AdapterModule module in people)
        {
            float[] delta = module.Delta();
            AddGram(right, delta, inputs, (row, i) => (row * inputs) + i, outputs);
            AddGram(left, delta, outputs, (column, o) => (o * inputs) + column, inputs);
        }

        return (
            OrthonormalBasis.Completed(Svd.Of(Floats(right), inputs, inputs).Left(a), inputs, a),
            OrthonormalBasis.Rows(OrthonormalBasis.Completed(Svd.Of(Floats(left), outputs, outputs).Left(b), outputs, b), outputs, b));
    }

    // gram (n, n) += Σ over vectors v of v vᵀ
    static void AddGram(double[] gram, float[] delta, int n, Func<int, int, int> at, int vectors)
    {
        double[] v = new double[n];
        for (int k = 0; k < vectors; k++)
        {
            for (int i = 0; i < n; i++)
                v[i] = delta[at(k, i)];
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < n; j++)
                    gram[(i * n) + j] += v[i] * v[j];
            }
        }
    }

    // Scaled to 1, because squares of small updates leave float32's range.
    static float[] Floats(double[] gram)
    {
        double largest = gram.Max(Math.Abs);
        return Array.ConvertAll(gram, v => (float)(largest > 0 ? v / largest : 0));
    }
}
