using System.Numerics.Tensors;

namespace IlgpuDiffusion.Adapters;

/// One module of an adapter file: ΔW = scale · up · down, with down (r, in) and up (out, r); for a convolution `in` is I·kh·kw in published order.
/// `scale` is alpha / r; a module without alpha has scale 1, as in every reader.
public sealed record AdapterModule(string Name, int Rank, float? Alpha, float[] Down, float[] Up)
{
    public float Scale => Alpha is { } alpha ? alpha / Rank : 1;

    public int InFeatures => Down.Length / Rank;

    public int OutFeatures => Up.Length / Rank;

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
