using System.Runtime.InteropServices;

namespace IlgpuDiffusion.Kernels.Common;

/// Asks Linux for pages of 2 MB under large memory. A walk over a wide filter meets another 4 KB page with every run of channels, and in a virtual machine each
/// miss of the address cache is a walk through two tables. A request, never a condition: where the system has none, or is another one, nothing happens.
public static partial class LargePages
{
    const long Page = 2 << 20;

    // MADV_HUGEPAGE of <asm-generic/mman-common.h>.
    const int UseHugePages = 14;

    /// To be called before the memory is first written to: the pages come then. Its ends that fill no whole page keep small ones.
    public static void Advise(nint memory, long bytes)
    {
        long begin = (memory + Page - 1) / Page * Page, end = (memory + bytes) / Page * Page;
        if (end > begin && OperatingSystem.IsLinux())
            _ = Advise((nint)begin, (nuint)(end - begin), UseHugePages);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
