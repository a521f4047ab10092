using IlgpuDiffusion.Kernels.MatMul.Cpu;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Tests.Attention;

/// The `cpu` version on every instruction set that this processor has, at tolerances of the fixtures' README.
public sealed class AttentionKernelTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // One tile and a little more of queries and keys, few heads (shared out) and many, widths on both sides of every register and tile.
    public static TheoryData<int, int, int, int, bool> Cases => new()
    {
        { 1, 1, 2, 3, false },
        { 97, 101, 2, 17, false },
        { 193, 98, 3, 33, true },
        { 50, 200, 9, 40, false },
        { 200, 200, 8, 16, true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_and_backward_match_the_reference_on_every_instruction_set(int queries, int keys, int heads, int width, bool causal)
    {
        Kernel.Dims d = new(1, queries, keys, heads, width, 0.4f, causal);
        float[] q = GradCheck.Values(queries * d.Stride, 1), k = GradCheck.Values(keys * d.Stride, 2), v = GradCheck.Values(keys * d.Stride, 3), dy = GradCheck.Values(q.Length, 4);
        float[] y = new float[q.Length], dq = new float[q.Length], dk = new float[k.Length], dv = new float[k.Length];
        Kernel.Reference.Forward(q, k, v, null, y, d);
        Kernel.Reference.Backward(q, k, v, null, dy, dq, dk, dv, d);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>().Where(isa => isa <= CpuIsas.Best))
        {
            float[][] arrays = [q, k, v, new float[y.Length], new float[2 * heads * queries], dy, new float[heads * queries], new float[dq.Length], new float[dk.Length], new float[dv.Length]];
            devices.Run(arrays, a =>
            {
                Kernel.CpuForward(devices.CpuTwo.Cpu!, a[0], a[1], a[2], default, a[3], a[4], d, isa);
                Kernel.CpuBackward(devices.CpuTwo.Cpu!, a[0], a[1], a[2], default, a[3], a[4], a[5], a[6], a[7], a[8], a[9], d, isa);
            });
            KernelDevices.AssertClose(y, arrays[3], 5e-6, $"{isa} y");
            KernelDevices.AssertClose(dq, arrays[7], 2e-5, $"{isa} dq");
            KernelDevices.AssertClose(dk, arrays[8], 2e-5, $"{isa} dk");
            KernelDevices.AssertClose(dv, arrays[9], 2e-5, $"{isa} dv");
        }
    }
}
