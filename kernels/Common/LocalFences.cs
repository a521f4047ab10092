using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Kernels.Common;

/// ILGPU 1.5.3 writes `Group.Barrier` in OpenCL C with a fence for global memory alone. What a group's threads wrote to shared memory (`local` there) they may then see behind the barrier, or
/// not: OpenCL C 3.0, 6.15.8. So every barrier gets the fence for local memory too.
internal static partial class LocalFences
{
    public static string Repaired(string source) => GlobalAlone().Replace(source, "$1CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE$2");

    [GeneratedRegex(@"(work_group_barrier\s*\(\s*)CLK_GLOBAL_MEM_FENCE(\s*\))")]
    private static partial Regex GlobalAlone();
}
