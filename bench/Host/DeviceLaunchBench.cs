using BenchmarkDotNet.Attributes;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Host;

/// What a launch costs where ILGPU does it: 100 additions of 16 elements and one wait, so the longer of host and device, and not less than the host's share; by themselves, and as a step that is
/// compared with its notes and replayed. Devices that are not here are left out.
[MemoryDiagnoser]
public class DeviceLaunchBench : IDisposable
{
    const int Launches = 100;

    Device device = null!;
    LaunchGraph graph = null!;
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
        graph = new LaunchGraph(device.Kernels);
    }

    [Benchmark(OperationsPerInvoke = Launches)]
    public void Launch()
    {
        Add();
        device.Synchronize();
    }

    [Benchmark(OperationsPerInvoke = Launches)]
    public void Replay()
    {
        using LaunchGraph.StepScope step = graph.Step();
        Add();
    }

    void Add()
    {
        for (int i = 0; i < Launches; i++)
            Kernels.Elementwise.Add.Forward(device.Kernels, x.View, x.View, y.View);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        graph.Dispose();
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
