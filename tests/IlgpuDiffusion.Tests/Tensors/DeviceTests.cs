using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Tensors;

public class DeviceTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [InlineData("cpu")]
    [InlineData("cpu-sim")]
    [InlineData("opencl")]
    public void Memory_that_is_not_there_is_one_line_with_the_numbers(string name)
    {
        Device device = Device(name);
        using DeviceBuffer small = device.Allocate(3 << 20, "small");
        (long live, long asked) = (device.LiveBytes, device.SystemAllocations);
        // More than any processor can address.
        IlgdException e = Assert.Throws<IlgdException>(() => device.Allocate(1L << 60, "large"));
        Assert.StartsWith($"{name} has no {1L << 40} MiB left for 'large'", e.Message.Replace($"{(1L << 40) + 1}", $"{1L << 40}", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("small 3 MiB", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        // Nothing is held that nobody has.
        Assert.Equal((live, asked), (device.LiveBytes, device.SystemAllocations));
    }

    // On a GPU the driver stops everything to give memory; `cpu` has no driver, and its memory is looked at from outside.
    [Theory]
    [InlineData("cpu", false)]
    [InlineData("cpu-sim", true)]
    [InlineData("opencl", true)]
    public void Memory_given_back_is_kept_for_the_next_who_asks_for_about_as_much(string name, bool keeps)
    {
        Device device = Device(name);
        long kept = device.KeptBytes;
        device.Allocate(40 << 20, "first").Dispose();
        Assert.Equal(keeps ? kept + (42 << 20) : kept, device.KeptBytes);
        long asked = device.SystemAllocations;
        using (device.Allocate(38 << 20, "second"))
            Assert.Equal((keeps ? asked : asked + 1, kept), (device.SystemAllocations, device.KeptBytes));
        // Too small a part of it, and too much for it.
        asked = device.SystemAllocations;
        using DeviceBuffer small = device.Allocate(20 << 20, "small"), large = device.Allocate(43 << 20, "large");
        Assert.Equal(asked + 2, device.SystemAllocations);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("ptx-sim")]
    public void Graphs_are_refused_where_kernels_are_called(string name) =>
        Assert.Contains("has no launches to gather", Assert.Throws<IlgdException>(() => IlgpuDiffusion.Tensors.Device.Open(name, graphs: true)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_OpenCL_device_without_generic_addresses_is_refused_in_one_line()
    {
        bool any = false;
        IlgdException e = Assert.Throws<IlgdException>(() => IlgpuDiffusion.Tensors.Device.Open("opencl", 0, ConvAlgorithm.Direct, null, false, device =>
        {
            any = true;
            OpenCl.GenericAddressSpace.SetValue(device.Capabilities, false);
        }).Dispose());
        Assert.DoesNotContain('\n', e.Message);
        Assert.Contains(any ? "has not got a generic address space, which ILGPU needs" : "no opencl device was found on this machine", e.Message, StringComparison.Ordinal);
    }
}
