namespace IlgpuDiffusion.Kernels.TensorCore;

/// The PTX that a call of this method becomes. `$r` is the result, `$0`, `$1` … the arguments: a struct stands for its fields' registers in braces, a `ref` for the register
/// that holds the generic address. Registers of its own are declared inside braces.
[AttributeUsage(AttributeTargets.Method)]
public sealed class PtxAttribute(string template) : Attribute
{
    public string Template { get; } = template;
}
