namespace IlgpuDiffusion.Kernels.Simulation;

/// What the scheduler has to do beside running an instruction.
internal enum PtxFlow
{
    None,
    Branch,
    Exit,
    Barrier,

    /// Runs for all threads of a warp that have not ended, together: the first to come wait for the others.
    Together,
}

/// What counts are kept of.
public enum PtxClass
{
    Float,
    Integer,
    Convert,
    Move,
    Predicate,
    Control,
    Parameter,
    Global,
    Shared,
    Local,
    AsyncCopy,
    Warp,
    TensorCore,
}

/// One instruction with its operands resolved. Registers, constants and special registers are all slots of a warp's register file, so an operand is a number.
internal sealed class PtxInstruction(string opcode, string text, int line)
{
    public string Opcode { get; } = opcode;

    public string[] Parts { get; } = opcode.Split('.', StringSplitOptions.RemoveEmptyEntries);

    public string Text { get; } = text;

    public int Line { get; } = line;

    /// The slot of `@p`, or −1.
    public int Guard { get; init; } = -1;

    public bool GuardNegated { get; init; }

    /// Slots of all register and constant operands, in order; braces are flattened. An address in brackets is its base register's.
    public required int[] Slots { get; init; }

    /// The constant part of the address in brackets.
    public required long Offset { get; init; }

    /// The position of the address among the slots, or −1.
    public required int AddressAt { get; init; }

    /// The instruction that a branch goes to.
    public int Target { get; set; } = -1;

    public string? Label { get; init; }

    public PtxFlow Flow { get; set; }

    public PtxClass Class { get; set; }

    public Action<PtxWarp, PtxInstruction, uint>? Execute { get; set; }

    public override string ToString() => $"line {Line}: {Text}";
}
