using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// What holds for the PTX of every kernel there is, found by reflection (KernelCatalog): a new kernel is in as soon as it is written.
public sealed class EveryKernelTests : IDisposable
{
    readonly PtxSimulator simulator = new();

    public static TheoryData<string> Names => [.. KernelCatalog.All.Select(Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ptx_is_known_to_the_simulator_and_keeps_to_registers(string name)
    {
        PtxKernel kernel = simulator.Kernel(KernelCatalog.All.Single(k => Name(k) == name).Method);
        Assert.Equal(0, kernel.LocalBytes);
        Assert.InRange(kernel.SharedBytes, 0, PtxSimulator.StaticSharedLimit);
        // ILGPU at O2 once folded `(float)(p ? 1 : 0)` into a choice between F32 numbers with the integers' bits: such a number is denormal.
        Assert.DoesNotMatch("0f00(?!0{6})[0-7][0-9A-F]{5}", kernel.Text);
        // Generic addresses cost a check a load: all of ours are known to be global or shared.
        Assert.Equal(0, kernel.Count("ld.f32") + kernel.Count("ld.b32") + kernel.Count("st.f32") + kernel.Count("st.b32"));
    }

    public void Dispose() => simulator.Dispose();

    static string Name(KernelEntry kernel) => $"{kernel.Name} {kernel.Version}";
}
