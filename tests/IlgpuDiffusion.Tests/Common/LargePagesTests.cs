using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Common;

public class LargePagesTests(Devices devices) : DeviceTest(devices)
{
    const int Floats = 16 << 20;

    // The kernel marks a mapping for which large pages were asked with "hg".
    [Fact]
    public void A_large_buffer_of_the_cpu_device_asks_for_large_pages()
    {
        const string switched = "/sys/kernel/mm/transparent_hugepage/enabled";
        if (!File.Exists(switched))
            Assert.Skip($"this system has no {switched}");
        using Arena arena = new(Device("cpu"), sizeof(float) * (long)Floats);
        Assert.Contains("hg", Flags(Middle(arena.New([Floats]))));
    }

    static unsafe long Middle(Tensor t) => (long)t.View.LoadEffectiveAddressAsPtr() + (t.Count * sizeof(float) / 2);

    // The flags of the mapping that holds the address: in /proc/self/smaps a line "begin-end …", later one "VmFlags: rd wr …".
    static string[] Flags(long address)
    {
        bool inside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && long.TryParse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long begin) && long.TryParse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long end))
                inside = begin <= address && address < end;
            else if (inside && words[0] == "VmFlags:")
                return words[1..];
        }

        throw new InvalidOperationException($"no mapping of /proc/self/smaps holds {address:x}");
    }
}
