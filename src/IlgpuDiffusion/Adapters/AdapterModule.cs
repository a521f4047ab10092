using System.Numerics.Tensors;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Adapters;

/// One module of an adapter: ΔW = scale · up · down, with down (r, in) and up (out, r); for a convolution `in` is I·kh·kw in published order.
/// `Component` is unet or text_encoder, `Key` the published key of the layer. `Alpha` is what the file says, if anything; `Scale` what it means.
public sealed record AdapterModule(string Component, string Key, int Rank, double? Alpha, float Scale, float[] Down, float[] Up)
{
    /// As the file spells it.
    public string Name { get; init; } = $"{Component}.{Key}";

    /// Shapes in the file: convolutions keep their kernel.
    public int[] DownShape { get; init; } = [Rank, Down.Length / Rank];

    public int[] UpShape { get; init; } = [Up.Length / Rank, Rank];

    /// How the factors are stored.
    public SafetensorsDType Storage { get; init; } = SafetensorsDType.F32;

    public string Path => $"{Component}.{Key}";

    public int InFeatures => Down.Length / Rank;

    public int OutFeatures => Up.Length / Rank;

    /// What alpha means: alpha / r, rounded once.
    public static float ScaleOf(double alpha, int rank) => (float)(alpha / rank);

    /// ΔW, (out, in), summed in double so that the result does not depend on the rank's order.
    public float[] Delta()
    {
        float[] delta = new float[InFeatures * OutFeatures];
        for (int o = 0; o < OutFeatures; o++)
        {
            for (int i = 0; i < InFeatures; i++)
            {
                double sum = 0;
                for (int r = 0; r < Rank; r++)
                    sum += (double)Up[(o * Rank) + r] * Down[(r * InFeatures) + i];
                delta[(o * InFeatures) + i] = (float)(Scale * sum);
            }
        }

        return delta;
    }

    /// Root mean square of ΔW's elements: what the adapter does to this module, in the weights' own unit. Zero: a dead module.
    public double Rms() => Math.Sqrt(TensorPrimitives.SumOfSquares<float>(Delta()) / ((double)InFeatures * OutFeatures));
}
