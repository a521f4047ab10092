namespace IlgpuDiffusion.Kernels.Simulation;

/// A parameter in the kernel's parameter space.
internal sealed record PtxParameter(string Name, int Offset, int Bytes);

/// A parsed kernel. See <see cref="PtxParser"/>.
public sealed class PtxKernel
{
    internal PtxKernel(string name, string text) => (Name, Text) = (name, text);

    public string Name { get; }

    /// The text that it was read from.
    public string Text { get; }

    /// Statically allocated shared memory, and local memory of one thread.
    public int SharedBytes { get; internal set; }

    public int LocalBytes { get; internal set; }

    internal List<PtxParameter> Parameters { get; } = [];

    internal int ParameterBytes => Parameters.Count == 0 ? 0 : Parameters[^1].Offset + Parameters[^1].Bytes;

    internal List<PtxInstruction> Instructions { get; } = [];

    /// Slots by the name of a register or special register, and slots that hold constants.
    internal Dictionary<string, int> Registers { get; } = [];

    internal List<(int Slot, ulong Value)> Constants { get; } = [];

    internal int Slots { get; set; }

    /// How often an instruction stands in the text, by the beginning of its name: `Count("mma.sync")`.
    public int Count(string opcode) => Instructions.Count(i => i.Opcode.StartsWith(opcode, StringComparison.Ordinal));
}
