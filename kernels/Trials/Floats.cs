using ILGPU;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Kernels.Trials;

/// Numbers of a trial, on the host and on the device: launchers take them as a view, references as a span. The reference writes a result to the host's, the launch to the device's.
public sealed class Floats
{
    internal Floats(float[] host, ArrayView<float> view) => (Host, View) = (host, view);

    public float[] Host { get; }

    public ArrayView<float> View { get; }

    public static implicit operator ArrayView<float>(Floats f) => f.View;

    public static implicit operator ReadOnlySpan<float>(Floats f) => f.Host;

    public static implicit operator Span<float>(Floats f) => f.Host;
}

/// Numbers that bf16 holds exactly: bf16 on the device, F32 for the reference.
public sealed class Halves
{
    internal Halves(float[] host, ArrayView<ushort> view) => (Host, View) = (host, view);

    public float[] Host { get; }

    public ArrayView<ushort> View { get; }

    public static implicit operator ArrayView<ushort>(Halves h) => h.View;

    public static implicit operator ReadOnlySpan<float>(Halves h) => h.Host;

    internal static float Exact(float x) => Bf16.Widen(Bf16.Round(x));
}

/// Whole numbers of a trial: labels, token ids.
public sealed class Ints
{
    internal Ints(int[] host, ArrayView<int> view) => (Host, View) = (host, view);

    public int[] Host { get; }

    public ArrayView<int> View { get; }

    public static implicit operator ArrayView<int>(Ints i) => i.View;

    public static implicit operator ReadOnlySpan<int>(Ints i) => i.Host;

    public static implicit operator Span<int>(Ints i) => i.Host;
}
