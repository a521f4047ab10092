using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace IlgpuDiffusion.IO;

/// Named tensors on disk, read one at a time: a safetensors file or a set of shards. Little-endian hosts only, as .NET's are.
public abstract class TensorSource : IDisposable
{
    /// The file, for messages.
    public abstract string Path { get; }

    /// Tensor names in the order of the data.
    public abstract IReadOnlyList<string> Names { get; }

    /// The `__metadata__` of the header, empty if there is none.
    public abstract IReadOnlyDictionary<string, string> Metadata { get; }

    /// Opens `*.safetensors`, or all shards that a `*.safetensors.index.json` names.
    public static TensorSource Open(string path) =>
        path.EndsWith(".index.json", StringComparison.Ordinal) ? new ShardedSafetensors(path) : new SafetensorsReader(path);

    public abstract bool Contains(string name);

    /// Errors: no such tensor.
    public abstract SafetensorsEntry Entry(string name);

    /// The raw bytes, mapped and not copied: valid until Dispose. Errors: 2 GiB and more (no span can hold that).
    public abstract ReadOnlySpan<byte> Bytes(string name);

    /// Copies raw bytes from `offset` on, past the map: pages that a map has shown once count as this process' memory for as long as it is there.
    protected internal abstract void Read(string name, long offset, Span<byte> destination);

    public abstract void Dispose();

    public int[] Shape(string name) => Entry(name).Shape;

    /// Copies the raw bytes. Errors: `destination` is not exactly as long.
    public void ReadBytes(string name, Span<byte> destination)
    {
        SafetensorsEntry entry = Entry(name);
        CheckLength(name, entry.End - entry.Begin, destination.Length, "bytes");
        Read(name, 0, destination);
    }

    /// F32 (bit for bit), F16, BF16 and F64 (rounded to nearest) as F32. Errors: other dtypes; a `destination` of another length.
    public void ReadFloat32(string name, Span<float> destination)
    {
        SafetensorsEntry entry = Entry(name);
        CheckLength(name, entry.Count, destination.Length, "elements");
        switch (entry.DType)
        {
            case SafetensorsDType.F32:
                Read(name, 0, MemoryMarshal.AsBytes(destination));
                break;
            case SafetensorsDType.F16:
                ReadPieces<Half>(name, destination, static (from, to) => TensorPrimitives.ConvertToSingle(from, to));
                break;
            case SafetensorsDType.BF16:
                ReadPieces<ushort>(name, destination, static (from, to) => BFloat16Bits.ToSingle(from, to));
                break;
            case SafetensorsDType.F64:
                ReadPieces<double>(name, destination, static (from, to) => TensorPrimitives.ConvertTruncating(from, to));
                break;
            default:
                throw Unsupported(entry, "F32, F16, BF16 or F64");
        }
    }

    public float[] ReadFloat32(string name)
    {
        float[] values = new float[Entry(name).Count];
        ReadFloat32(name, values);
        return values;
    }

    /// F64 bit for bit, and everything that ReadFloat32 reads.
    public double[] ReadFloat64(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return entry.DType == SafetensorsDType.F64
            ? MemoryMarshal.Cast<byte, double>(Bytes(name)).ToArray()
            : Array.ConvertAll(ReadFloat32(name), v => (double)v);
    }

    /// Any integer dtype or BOOL as long. Errors: other dtypes; U64 values beyond long; a `destination` of another length.
    public void ReadInt64(string name, Span<long> destination)
    {
        SafetensorsEntry entry = Entry(name);
        CheckLength(name, entry.Count, destination.Length, "elements");
        ReadOnlySpan<byte> bytes = Bytes(name);
        switch (entry.DType)
        {
            case SafetensorsDType.I64:
                bytes.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case SafetensorsDType.I32:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, int>(bytes), destination);
                break;
            case SafetensorsDType.U32:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, uint>(bytes), destination);
                break;
            case SafetensorsDType.I16:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, short>(bytes), destination);
                break;
            case SafetensorsDType.U16:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, ushort>(bytes), destination);
                break;
            case SafetensorsDType.I8:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, sbyte>(bytes), destination);
                break;
            case SafetensorsDType.U8 or SafetensorsDType.Bool:
                TensorPrimitives.ConvertTruncating(bytes, destination);
                break;
            case SafetensorsDType.U64:
                ReadUInt64(name, MemoryMarshal.Cast<byte, ulong>(bytes), destination);
                break;
            default:
                throw Unsupported(entry, "an integer type");
        }
    }

    public long[] ReadInt64(string name)
    {
        long[] values = new long[Entry(name).Count];
        ReadInt64(name, values);
        return values;
    }

    delegate void Conversion<T>(ReadOnlySpan<T> from, Span<float> to);

    // In pieces that stay in the cache, so that a tensor is in memory once.
    void ReadPieces<T>(string name, Span<float> destination, Conversion<T> convert)
        where T : unmanaged
    {
        T[] piece = new T[Math.Min(1 << 16, destination.Length)];
        for (int at = 0; at < destination.Length; at += piece.Length)
        {
            Span<T> values = piece.AsSpan(0, Math.Min(piece.Length, destination.Length - at));
            Span<byte> bytes = MemoryMarshal.AsBytes(values);
            Read(name, (long)at * (bytes.Length / values.Length), bytes);
            convert(values, destination.Slice(at, values.Length));
        }
    }

    void ReadUInt64(string name, ReadOnlySpan<ulong> source, Span<long> destination)
    {
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = source[i] <= long.MaxValue
                ? (long)source[i]
                : throw new IlgdException($"{Path}: tensor \"{name}\": {source[i]} at {i} does not fit into I64");
        }
    }

    void CheckLength(string name, long expected, long given, string unit)
    {
        if (expected != given)
            throw new IlgdException($"{Path}: tensor \"{name}\" ({Entry(name).Describe()}) has {expected} {unit}, not the {given} asked for");
    }

    IlgdException Unsupported(SafetensorsEntry entry, string expected) =>
        new($"{Path}: tensor \"{entry.Name}\" has dtype {entry.DType.FileName()}, expected {expected}");
}
