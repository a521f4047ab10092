using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.TensorCore;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Tests;

/// The contexts that a kernel is checked on: called on pools of one and of two threads, launched on ILGPU's simulator, interpreted as PTX, and on OpenCL where there is a platform.
public sealed class KernelDevices : IDisposable
{
    readonly Context context = Context.Create(b => b.CPU(new CPUDevice(32, 2, 1)));
    readonly Accelerator accelerator;
    readonly CpuPool one = new(1);
    readonly CpuPool two = new(2);
    readonly PtxSimulator ptx = new();
    Device? openCl;

    public KernelDevices()
    {
        accelerator = context.Devices[0].CreateAccelerator(context);
        Cpu = new KernelContext(accelerator, one);
        CpuTwo = new KernelContext(accelerator, two);
        Simulator = new KernelContext(accelerator, null);
        Ptx = new KernelContext(accelerator, null, ptx);
    }

    public KernelContext Cpu { get; }

    public KernelContext CpuTwo { get; }

    public KernelContext Simulator { get; }

    /// Where the kernels' PTX is interpreted.
    public KernelContext Ptx { get; }

    /// Its views are its own: see <see cref="RunOpenCl"/>. Skips the test where there is no platform.
    public KernelContext OpenCl => (openCl ??= Tests.OpenCl.Open()).Kernels;

    /// Runs `kernel` on copies of the arrays and writes them back.
    public void Run(float[][] arrays, Action<ArrayView<float>[]> kernel) => Run(accelerator, arrays, kernel);

    /// The same in the memory of <see cref="OpenCl"/>.
    public void RunOpenCl(float[][] arrays, Action<ArrayView<float>[]> kernel) => Run(OpenCl.Accelerator, arrays, kernel);

    static void Run(Accelerator accelerator, float[][] arrays, Action<ArrayView<float>[]> kernel)
    {
        MemoryBuffer1D<float, Stride1D.Dense>?[] buffers = [.. arrays.Select(a => a.Length == 0 ? null : accelerator.Allocate1D(a))];
        kernel([.. buffers.Select(b => b is null ? ArrayView<float>.Empty : b.View.AsContiguous())]);
        accelerator.Synchronize();
        for (int i = 0; i < arrays.Length; i++)
        {
            buffers[i]?.CopyToCPU(arrays[i]);
            buffers[i]?.Dispose();
        }
    }

    /// The same with bf16 arrays beside them, as tensor cores read them.
    public void Run(ushort[][] halves, float[][] arrays, Action<ArrayView<ushort>[], ArrayView<float>[]> kernel)
    {
        MemoryBuffer1D<ushort, Stride1D.Dense>[] buffers = [.. halves.Select(h => accelerator.Allocate1D(h))];
        Run(arrays, views => kernel([.. buffers.Select(b => b.View.AsContiguous())], views));
        for (int i = 0; i < halves.Length; i++)
        {
            buffers[i].CopyToCPU(halves[i]);
            buffers[i].Dispose();
        }
    }

    /// n numbers that bf16 holds exactly, as bf16 and as F32.
    public static (ushort[] Bits, float[] Values) Halves(long n, int seed)
    {
        ushort[] bits = [.. Numbers(n, seed).Select(Bf16.Round)];
        return (bits, [.. bits.Select(Bf16.Widen)]);
    }

    public void Dispose()
    {
        openCl?.Dispose();
        ptx.Dispose();
        one.Dispose();
        two.Dispose();
        accelerator.Dispose();
        context.Dispose();
    }

    /// n numbers in [−1, 1), the same for the same seed.
    public static float[] Numbers(long n, int seed)
    {
        Random random = new(seed);
        float[] x = new float[n];
        for (long i = 0; i < n; i++)
            x[i] = (float)(random.NextDouble() * 2 - 1);
        return x;
    }

    /// |actual − expected| ≤ tolerance · max(max|expected|, 1e-3), everywhere.
    public static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double scale = 1e-3;
        foreach (float x in expected)
            scale = Math.Max(scale, Math.Abs(x));
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - (double)actual[i]) <= tolerance * scale, $"{what}[{i}] = {actual[i]:R}, expected {expected[i]:R} (largest {scale:R})");
    }
}
