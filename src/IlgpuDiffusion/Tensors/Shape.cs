using System.Runtime.CompilerServices;

namespace IlgpuDiffusion.Tensors;

/// The extents of a tensor, outermost first; memory is always contiguous, the last axis runs fastest.
/// Written as a collection: `Shape s = [b, h, w, c];`
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>
{
    readonly int[]? dims;

    Shape(int[] dims)
    {
        long count = 1;
        foreach (int d in dims)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(d);
            count = checked(count * d);
        }

        this.dims = dims;
        Count = count;
    }

    public static Shape Create(ReadOnlySpan<int> dims) => new(dims.ToArray());

    public static implicit operator Shape(int[] dims) => Create(dims);

    /// Number of elements; 1 for a scalar (rank 0).
    public long Count { get; }

    public int Rank => Dims.Length;

    public ReadOnlySpan<int> Dims => dims;

    /// Extent of an axis; negative counts from the end, so `shape[-1]` is the fastest axis.
    public int this[int axis] => dims![axis < 0 ? dims.Length + axis : axis];

    /// Elements in all axes but the last: the rows that a linear layer or a norm sees.
    public long Rows => Rank == 0 ? 1 : dims![^1] == 0 ? 0 : Count / dims[^1];

    public ReadOnlySpan<int>.Enumerator GetEnumerator() => Dims.GetEnumerator();

    /// The same shape with the last axis replaced.
    public Shape WithLast(int extent)
    {
        int[] copy = Dims.ToArray();
        copy[^1] = extent;
        return new Shape(copy);
    }

    public bool Equals(Shape other) => Dims.SequenceEqual(other.Dims);

    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (int d in Dims)
            hash.Add(d);
        return hash.ToHashCode();
    }

    public static bool operator ==(Shape a, Shape b) => a.Equals(b);

    public static bool operator !=(Shape a, Shape b) => !a.Equals(b);

    public override string ToString() => $"[{string.Join(", ", Dims.ToArray())}]";
}
