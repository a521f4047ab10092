using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Nn;

/// Values for a model that is trained from nothing.
public static class WeightsInit
{
    const uint InitStream = 0x494E4954;   // "INIT"
    const float EmbeddingStd = 0.02f;

    /// Sets every parameter as its <see cref="Init"/> says. Each draws from a stream of its own, named by its key, so that a layer added
    /// to a model leaves the others as they were.
    public static void Initialize(this Weights weights, ulong seed)
    {
        foreach (Parameter p in weights.Parameters)
        {
            float[] values = new float[p.Shape.Count];
            RngStream random = new(seed, InitStream, NameHash.Of(p.Name));
            switch (p.Init)
            {
                case Init.Ones:
                    Array.Fill(values, 1);
                    break;
                case Init.FanIn:
                    random.FillUniform(values);
                    float bound = 1 / MathF.Sqrt(p.FanIn);
                    for (int i = 0; i < values.Length; i++)
                        values[i] = ((2 * values[i]) - 1) * bound;
                    break;
                case Init.Embedding:
                    random.FillNormal(values);
                    for (int i = 0; i < values.Length; i++)
                        values[i] *= EmbeddingStd;
                    break;
            }

            p.Value.CopyFrom(p.ToHeld(values));
        }
    }
}
