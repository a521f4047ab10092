namespace IlgpuDiffusion.Kernels.Simulation;

/// A kernel did what PTX leaves undefined, or used an instruction that `ptx-sim` does not know. The message names the kernel, the line of its text and the instruction.
public sealed class PtxException(string message) : Exception(message);
