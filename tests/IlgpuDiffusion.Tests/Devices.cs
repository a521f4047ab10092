using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests;

/// The devices of this test run, opened once: every op family is tested on each.
public sealed class Devices : IDisposable
{
    readonly Dictionary<string, Device> open = [];

    public static TheoryData<string> Names => ["cpu", "cpu-sim", "ptx-sim"];

    public Device this[string name]
    {
        get
        {
            if (!open.TryGetValue(name, out Device? device))
                open.Add(name, device = Device.Open(name));
            return device;
        }
    }

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
