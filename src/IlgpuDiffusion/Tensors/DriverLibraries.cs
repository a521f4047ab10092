using System.Reflection;
using System.Runtime.InteropServices;

namespace IlgpuDiffusion.Tensors;

/// ILGPU asks for `OpenCL` and `cuda`, which on Linux are the names that a development package adds, `libOpenCL.so` and `libcuda.so`. Drivers and containers come with the numbered ones alone;
/// these are taken where nothing else was found.
static class DriverLibraries
{
    public static nint Resolve(Assembly asking, string name)
    {
        string? numbered = name switch { "OpenCL" => "libOpenCL.so.1", "cuda" => "libcuda.so.1", _ => null };
        return numbered is not null && OperatingSystem.IsLinux() && NativeLibrary.TryLoad(numbered, out nint library) ? library : 0;
    }
}
