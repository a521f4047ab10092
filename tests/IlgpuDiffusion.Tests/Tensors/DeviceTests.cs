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

    [Fact]
    public void An_OpenCL_device_without_generic_addresses_is_refused_in_one_line()
    {
        bool any = false;
        IlgdException e = Assert.Throws<IlgdException>(() => IlgpuDiffusion.Tensors.Device.Open("opencl", 0, ConvAlgorithm.Direct, null, device =>
        {
            any = true;
            OpenCl.GenericAddressSpace.SetValue(device.Capabilities, false);
        }).Dispose());
        Assert.DoesNotContain('\n', e.Message);
        Assert.Contains(any ? "has not got a generic address space, which ILGPU needs" : "no opencl device was found on this machine", e.Message, StringComparison.Ordinal);
    }
}
