namespace IlgpuDiffusion.Diffusion;

/// Between the order of files and of other libraries, (B, C, H, W), and the order of this program's tensors, (B, H, W, C).
public static class ChannelOrder
{
    /// (B, C, H·W)   returns (B, H·W, C)
    public static float[] ToLast(ReadOnlySpan<float> values, int batch, int channels) => Transposed(values, batch, channels, values.Length / (batch * channels));

    /// (B, H·W, C)   returns (B, C, H·W)
    public static float[] ToFirst(ReadOnlySpan<float> values, int batch, int channels) => Transposed(values, batch, values.Length / (batch * channels), channels);

    static float[] Transposed(ReadOnlySpan<float> values, int batch, int rows, int columns)
    {
        float[] result = new float[values.Length];
        for (int b = 0; b < batch; b++)
        {
            int start = b * rows * columns;
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < columns; c++)
                    result[start + (c * rows) + r] = values[start + (r * columns) + c];
            }
        }

        return result;
    }
}
