namespace IlgpuDiffusion.Kernels.TensorCore;

/// The tile that a group computes: 128×128 outputs by 8 warps in 2 rows and 4 columns, so 64×32 a warp; 32 of the inner extent at a time, three tiles of each operand in
/// flight. Two operands of 8 KiB a stage fill the 48 KiB of shared memory that a kernel may have unasked.
internal static class TileShape
{
    public const int M = 128, N = 128, K = 32;
    public const int Threads = 256, Stages = 3;
    public const int WarpM = 64, WarpN = 32, WarpsN = N / WarpN;

    /// Bytes of one operand's tile, of a stage, and the shared memory in pieces of 16 bytes.
    public const int OperandBytes = M * K * 2, StageBytes = 2 * OperandBytes, SharedPieces = Stages * StageBytes / 16;

    /// Elements of bf16 in a 16-byte piece, and pieces of one operand's tile.
    public const int Piece = 8, Pieces = OperandBytes / 16;
}
