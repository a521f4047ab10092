namespace IlgpuDiffusion.IO;

/// One tensor of a safetensors file: bytes Begin..End of the data section, row-major, little-endian.
public sealed record SafetensorsEntry(string Name, SafetensorsDType DType, int[] Shape, long Begin, long End)
{
    /// Number of elements; 1 for rank 0.
    public long Count
    {
        get
        {
            long count = 1;
            foreach (int d in Shape)
                count *= d;
            return count;
        }
    }

    /// E.g. "F32 [320, 4, 3, 3]".
    public string Describe() => $"{DType.FileName()} [{string.Join(", ", Shape)}]";
}
