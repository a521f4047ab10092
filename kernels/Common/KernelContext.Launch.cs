using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Kernels.Common;

/// One overload for each number of arguments that our kernels have: C# has no variadic generics.
public sealed partial class KernelContext
{
    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1>(Action<Index1D, T1> kernel, long count, T1 a1)
        where T1 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1>(Action<T1> kernel, long groups, GroupSize size, T1 a1)
        where T1 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2>(Action<Index1D, T1, T2> kernel, long count, T1 a1, T2 a2)
        where T1 : struct
        where T2 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2>(Action<T1, T2> kernel, long groups, GroupSize size, T1 a1, T2 a2)
        where T1 : struct
        where T2 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3>(Action<Index1D, T1, T2, T3> kernel, long count, T1 a1, T2 a2, T3 a3)
        where T1 : struct
        where T2 : struct
        where T3 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3>(Action<T1, T2, T3> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3)
        where T1 : struct
        where T2 : struct
        where T3 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4>(Action<Index1D, T1, T2, T3, T4> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4>(Action<T1, T2, T3, T4> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5>(Action<Index1D, T1, T2, T3, T4, T5> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5>(Action<T1, T2, T3, T4, T5> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5, T6>(Action<Index1D, T1, T2, T3, T4, T5, T6> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5, a6);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5, a6), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5, T6>(Action<T1, T2, T3, T4, T5, T6> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5, a6);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5, a6), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5, T6, T7>(Action<Index1D, T1, T2, T3, T4, T5, T6, T7> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5, a6, a7);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5, a6, a7), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5, T6, T7>(Action<T1, T2, T3, T4, T5, T6, T7> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5, a6, a7);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5, a6, a7), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5, T6, T7, T8>(Action<Index1D, T1, T2, T3, T4, T5, T6, T7, T8> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5, T6, T7, T8>(Action<T1, T2, T3, T4, T5, T6, T7, T8> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5, a6, a7, a8);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5, a6, a7, a8), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5, T6, T7, T8, T9>(Action<Index1D, T1, T2, T3, T4, T5, T6, T7, T8, T9> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
        where T9 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8, a9);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8, a9), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8, x.a9));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5, T6, T7, T8, T9>(Action<T1, T2, T3, T4, T5, T6, T7, T8, T9> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
        where T9 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5, a6, a7, a8, a9);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5, a6, a7, a8, a9), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8, x.a9));
    }

    /// Runs an implicitly grouped kernel, one thread an element, over 0 … count − 1.
    public void Launch<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(Action<Index1D, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> kernel, long count, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
        where T9 : struct
        where T10 : struct
    {
        if (Simulator is { } ptx)
            ptx.Launch(kernel, CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8, a9, a10);
        else if (count > 0)
            Issue((k: this, kernel, count: CheckedCount(count), a1, a2, a3, a4, a5, a6, a7, a8, a9, a10), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadAutoGroupedKernel(kernel))(x.k.Stream, x.count, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8, x.a9, x.a10));
    }

    /// Runs an explicitly grouped kernel: `groups` groups of `size`.
    public void LaunchGroups<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(Action<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> kernel, long groups, GroupSize size, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10)
        where T1 : struct
        where T2 : struct
        where T3 : struct
        where T4 : struct
        where T5 : struct
        where T6 : struct
        where T7 : struct
        where T8 : struct
        where T9 : struct
        where T10 : struct
    {
        if (Simulator is { } ptx)
            ptx.LaunchGroups(kernel, groups, size, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10);
        else if (groups > 0)
            Issue((k: this, kernel, groups: CheckedGroups(groups, size), a1, a2, a3, a4, a5, a6, a7, a8, a9, a10), static x => x.k.Cached(x.kernel, static (a, kernel) => a.LoadKernel(kernel))(x.k.Stream, x.groups, x.a1, x.a2, x.a3, x.a4, x.a5, x.a6, x.a7, x.a8, x.a9, x.a10));
    }
}
