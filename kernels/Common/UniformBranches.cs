using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using ILGPU.Backends.PTX;

namespace IlgpuDiffusion.Kernels.Common;

/// ILGPU 1.5.3 at O2 takes the index of an implicitly grouped kernel for a number that all threads share, and writes `bra.uni` where the branch hangs on it, also behind
/// loads and products of it. PTX leaves such a branch undefined when threads part there (`ptx-sim` found it). So the promise is struck out of every conditional branch;
/// the driver's assembler finds the branches that are uniform by itself.
internal static partial class UniformBranches
{
    public static void Repair(PTXCompiledKernel kernel) => Text(kernel) = Promise().Replace(kernel.PTXAssembly, "$1bra\t");

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<PTXAssembly>k__BackingField")]
    private static extern ref string Text(PTXCompiledKernel kernel);

    [GeneratedRegex(@"(@!?%p\d+\s+)bra\.uni\s+")]
    private static partial Regex Promise();
}
