namespace IlgpuDiffusion.Kernels.TensorCore;

/// One thread's share of a matrix fragment: four 32-bit registers. A 16×16 A operand of bf16 or f16, a 16×8 one of tf32, or four 8×8 matrices as ldmatrix loads them.
public struct Fragment
{
    public uint X;
    public uint Y;
    public uint Z;
    public uint W;
}

/// One thread's share of a 16×8 result in F32: with g = lane / 4 and t = lane % 4, X and Y are (g, 2t) and (g, 2t + 1), Z and W the same columns of row g + 8.
public struct Accumulator
{
    public float X;
    public float Y;
    public float Z;
    public float W;
}
