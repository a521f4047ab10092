using System.Reflection;
using ILGPU.Runtime.OpenCL;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests;

/// The device `opencl` for tests. Where there is no GPU that is PoCL. Its version 3.1 (Debian 12) reports no generic address space, though its processors have but one; so it is told here that it has:
/// in the engine, such a device is refused.
static class OpenCl
{
    /// Of <see cref="CLCapabilityContext"/>.
    public static PropertyInfo GenericAddressSpace { get; } = typeof(CLCapabilityContext).GetProperty(nameof(CLCapabilityContext.GenericAddressSpace))!;

    /// Skips the test where there is none.
    public static Device Open(bool graphs = false)
    {
        bool any = false;
        try
        {
            return Device.Open("opencl", 0, ConvAlgorithm.Direct, null, graphs, device =>
            {
                any = true;
                GenericAddressSpace.SetValue(device.Capabilities, true);
            });
        }
        catch (IlgdException) when (!any)
        {
            Assert.Skip("no OpenCL platform is on this machine; on Debian: apt-get install pocl-opencl-icd ocl-icd-libopencl1");
            throw;
        }
    }
}
