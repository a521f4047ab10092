using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests;

/// The devices of this test run, opened once: every op family is tested on each. Their convolutions are direct, which is what the fixtures' tolerances
/// are for; "cpu f2" and "cpu f4" are the device cpu with Winograd's.
public sealed class Devices : IDisposable
{
    readonly Dictionary<string, Device> open = [];

    public static TheoryData<string> Names => ["cpu", "cpu-sim", "ptx-sim", "opencl"];

    public static TheoryData<string> Convolutions => ["cpu", "cpu f2", "cpu f4"];

    public Device this[string name]
    {
        get
        {
            if (!open.TryGetValue(name, out Device? device))
            {
                string[] words = name.Split(' ');
                ConvAlgorithm conv = words.Length == 1 ? ConvAlgorithm.Direct : Enum.Parse<ConvAlgorithm>(words[1], ignoreCase: true);
                open.Add(name, device = name == "opencl" ? OpenCl.Open() : Device.Open(words[0], conv: conv));
            }

            return device;
        }
    }

    /// How much more than a direct convolution's rounding a comparison must allow: F(2×2) rounds about as direct does, F(4×4) four times as much
    /// (root mean squares measured in kernels/Conv/Winograd.md).
    public static double Rounding(string name) => name == "cpu f4" ? 4 : 1;

    public void Dispose()
    {
        foreach (Device device in open.Values)
            device.Dispose();
    }
}

/// Base of the classes that touch a device: a fresh arena for each test, and the proof afterwards that every buffer was given back.
[Collection(nameof(DeviceCollection))]
public abstract class DeviceTest(Devices devices) : IDisposable
{
    readonly Dictionary<string, (Arena Arena, int Buffers)> arenas = [];

    protected Device Device(string name) => Arena(name).Device;

    protected Arena Arena(string name)
    {
        if (!arenas.TryGetValue(name, out (Arena Arena, int Buffers) entry))
            arenas.Add(name, entry = (new Arena(devices[name], 1 << 20), devices[name].LiveBuffers));
        return entry.Arena;
    }

    public void Dispose()
    {
        foreach ((Arena arena, int buffers) in arenas.Values)
        {
            arena.Dispose();
            Assert.Equal(buffers, arena.Device.LiveBuffers);
        }

        GC.SuppressFinalize(this);
    }
}

[CollectionDefinition(nameof(DeviceCollection))]
#pragma warning disable CA1711 // xunit's word for it
public sealed class DeviceCollection : ICollectionFixture<Devices>;
#pragma warning restore CA1711
