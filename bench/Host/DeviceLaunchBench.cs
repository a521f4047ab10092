using BenchmarkDotNet.Attributes;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Host;

/// What a launch costs where ILGPU does it: 100 additions of 16 elements and one wait, so the longer of host and device, and not less than the host's share. Devices that are not here are left out.
[MemoryDiagnoser]
public class DeviceLaunchBench : IDisposable
{
    const int Launches = 100;

    Device device = null!;
    Arena arena = null!;
    Tensor x = null!;
    Tensor y = null!;

    public static IEnumerable<string> Names => new[] { "cpu", "cpu-sim", "cuda", "opencl" }.Where(IsHere);

    [ParamsSource(nameof(Names))]
    public string Name { get; set; } = "cpu";

    [GlobalSetup]
    public void Open()
    {
        device = Device.Open(Name);
        arena = new Arena(device);
        (x, y) = (arena.New([16]), arena.New([16]));
        x.CopyFrom(new float[16]);
    }

    [Benchmark(OperationsPerInvoke = Launches)]
    public void Launch()
    {
        for (int i = 0; i < Launches; i++)
            Kernels.Elementwise.Add.Forward(device.Kernels, x.View, x.View, y.View);
        device.Synchronize();
    }

    [GlobalCleanup]
    public void Dispose()
    {
        arena.Dispose();
        device.Dispose();
    }

    static bool IsHere(string name)
    {
        try
        {
            Device.Open(name).Dispose();
            return true;
        }
        catch (IlgdException)
        {
            return false;
        }
    }
}
