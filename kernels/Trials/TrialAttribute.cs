namespace IlgpuDiffusion.Kernels.Trials;

/// Marks an internal static method `…Trial(Trial t)` beside an operation: how the operation is run by itself. It makes random inputs of the sizes asked for, launches, and names the reference. Found by reflection, so
/// an operation that has one is in `ilgd kernels run` and in the test over all kernels. The method's name is the launcher's (`ForwardTrial`, `ForwardV2Trial`, `ForwardTensorCoreTrial`); a generic one is there
/// once for each of the types that its kernels take.
[AttributeUsage(AttributeTargets.Method)]
public sealed class TrialAttribute(string sizes, params string[] kernels) : Attribute
{
    /// The sizes with their standard values, small enough for a simulator: `B=2 P=40 C=24`.
    public string Sizes { get; } = sizes;

    /// The kernels that it launches, as KernelCatalog names them, where they are others than the one of its own name.
    public IReadOnlyList<string> Kernels { get; } = kernels;
}
