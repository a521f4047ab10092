using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

/// Fixtures hold images as (B,C,H,W) and filters as (O,I,kh,kw); here both have the channels last.
static class ChannelsLast
{
    public static float[] Data(FixtureFile file, string name, string tensor) => Tensor(file, name, tensor).Data;

    /// A tensor of another rank than four comes as it is.
    public static (float[] Data, int[] Shape) Tensor(FixtureFile file, string name, string tensor)
    {
        (float[] data, int[] shape) = file.Tensor(name, tensor);
        if (shape.Length != 4)
            return (data, shape);
        int channels = shape[1], pixels = shape[2] * shape[3];
        float[] moved = new float[data.Length];
        for (int i = 0; i < data.Length; i++)
            moved[(i / (channels * pixels) * pixels + i % pixels) * channels + i / pixels % channels] = data[i];
        return (moved, [shape[0], shape[2], shape[3], channels]);
    }
}
