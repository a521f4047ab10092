using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tensors;

/// A contiguous array of floats on a device. Temporaries come from a step's arena and die with it; parameters live in buffers of their own.
/// Activations are channels-last: (B, H, W, C) and (B, T, C).
public sealed class Tensor
{
    readonly KernelContext kernels;
    readonly ArrayView<float> view;
    readonly Arena? arena;
    readonly int generation;

    internal Tensor(KernelContext kernels, ArrayView<float> view, Shape shape, Arena? arena = null)
    {
        this.kernels = kernels;
        this.view = view;
        this.arena = arena;
        generation = arena?.Generation ?? 0;
        Shape = shape;
    }

    public Shape Shape { get; }

    public long Count => Shape.Count;

    /// True where a gradient is wanted: trainable parameters, and everything computed from them while a tape records.
    public bool RequiresGrad { get; set; }

    /// The gradient after <see cref="Autograd.Tape.Backward"/>; for parameters it accumulates until the optimiser clears it.
    public Tensor? Grad { get; internal set; }

    /// True where Grad is this tensor's alone and may be added to in place.
    internal bool OwnsGrad { get; set; }

    /// Where forms of this tensor are kept while it is frozen; null for tensors that are no model's weights.
    internal FrozenForms? Forms { get; init; }

    /// The elements; refuses a temporary whose step has ended.
    public ArrayView<float> View => arena is null || arena.Generation == generation
        ? view
        : throw new InvalidOperationException($"a tensor {Shape} of an earlier step was used: its memory belongs to the arena, which was reset since");

    /// The same elements under another shape of equal count; no gradient passes through this (use Ops.Reshape on a tape).
    public Tensor As(Shape shape) => shape.Count == Count
        ? new Tensor(kernels, View, shape, arena)
        : throw new ArgumentException($"{Shape} has {Count} elements, {shape} has {shape.Count}");

    /// `shape` of the elements from `start` on; no gradient passes through this (use Ops.Unstack on a tape).
    internal Tensor Part(long start, Shape shape) => new(kernels, View.SubView(start, shape.Count), shape, arena);

    public void CopyFrom(ReadOnlySpan<float> values)
    {
        if (values.Length != Count)
            throw new ArgumentException($"{values.Length} values for a tensor {Shape} of {Count}");
        Forms?.Changed(this);
        kernels.Upload(values, View);
    }

    /// Copies the elements to the host, after everything launched so far has run.
    public float[] ToArray()
    {
        float[] values = new float[Count];
        CopyTo(values);
        return values;
    }

    public void CopyTo(Span<float> values)
    {
        if (values.Length != Count)
            throw new ArgumentException($"{values.Length} values for a tensor {Shape} of {Count}");
        kernels.Download(View, values);
    }

    /// The only element of a scalar.
    public float Item() => Count == 1 ? ToArray()[0] : throw new InvalidOperationException($"Item() of a tensor {Shape}");
}
