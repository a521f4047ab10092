using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace IlgpuDiffusion.IO;

/// Collects tensors and writes one safetensors file. As in the official library the data is ordered by dtype (widest first, so that
/// every tensor is aligned) and then by name, and the header is padded with spaces to a multiple of 8. Same tensors, same bytes.
public sealed class SafetensorsWriter
{
    readonly Dictionary<string, Pending> tensors = new(StringComparer.Ordinal);

    /// The header's `__metadata__`, written in the order of its keys.
    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// dtype: F32 (bit for bit), F16 or BF16 (rounded to nearest, ties to even), converted while writing.
    public void Add(string name, int[] shape, ReadOnlyMemory<float> data, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        CheckCount(name, shape, data.Length);
        Add(name, shape, () => data, dtype);
    }

    /// As above, with the values asked for when their turn to be written comes: a model on a device never is in host memory as a whole.
    public void Add(string name, int[] shape, Func<ReadOnlyMemory<float>> data, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        if (dtype is not (SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16))
            throw new IlgdException($"tensor \"{name}\": floats are written as F32, F16 or BF16, not as {dtype.FileName()}");
        Add(name, shape, dtype, stream =>
        {
            ReadOnlyMemory<float> values = data();
            CheckCount(name, shape, values.Length);
            WriteFloats(stream, values.Span, dtype);
        });
    }

    /// Written as I64.
    public void Add(string name, int[] shape, ReadOnlyMemory<long> data)
    {
        CheckCount(name, shape, data.Length);
        Add(name, shape, SafetensorsDType.I64, stream => stream.Write(MemoryMarshal.AsBytes(data.Span)));
    }

    /// Bytes of any dtype as they are; U8 images among them.
    public void AddBytes(string name, int[] shape, SafetensorsDType dtype, ReadOnlyMemory<byte> data)
    {
        if (data.Length * 8L != Count(shape) * dtype.Bits())
            throw new IlgdException($"tensor \"{name}\": {data.Length} bytes do not fit {dtype.FileName()} [{string.Join(", ", shape)}]");
        Add(name, shape, dtype, stream => stream.Write(data.Span));
    }

    /// SHA-256, in hexadecimal, of all bytes that will stand after the header: the same whatever the metadata says.
    public string DataSha256()
    {
        using SHA256 hash = SHA256.Create();
        using (CryptoStream stream = new(Stream.Null, hash, CryptoStreamMode.Write))
        {
            foreach (Pending tensor in Ordered())
                tensor.Write(stream);
        }

        return Convert.ToHexStringLower(hash.Hash!);
    }

    /// kohya's older hash: the first 8 digits of SHA-256 over 64 KiB from 1 MiB on, of the file as it would be with no metadata but the training's (keys that begin with `ss_`),
    /// so that what people write beside does not change it. A shorter file has less or nothing there. (sd-scripts: addnet_hash_legacy)
    public string LegacyHash()
    {
        const int start = 1 << 20, length = 1 << 16;
        Pending[] ordered = Ordered();
        using MemoryStream file = new();
        file.Write(Header(ordered, Metadata.Where(m => m.Key.StartsWith("ss_", StringComparison.Ordinal))));
        for (int i = 0; i < ordered.Length && file.Length < start + length; i++)
            ordered[i].Write(file);
        ReadOnlySpan<byte> bytes = file.GetBuffer().AsSpan(0, (int)file.Length);
        return Convert.ToHexStringLower(SHA256.HashData(bytes[Math.Min(start, bytes.Length)..Math.Min(start + length, bytes.Length)]))[..8];
    }

    /// Writes beside and renames. May be called again.
    public void Write(string path)
    {
        Pending[] ordered = Ordered();
        byte[] header = Header(ordered, Metadata);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (Pending tensor in ordered)
                tensor.Write(stream);
        });
    }

    Pending[] Ordered() => [.. tensors.Values.OrderByDescending(t => t.DType).ThenBy(t => t.Name, StringComparer.Ordinal)];

    void Add(string name, int[] shape, SafetensorsDType dtype, Action<Stream> write)
    {
        if (name == "__metadata__")
            throw new IlgdException("a tensor cannot be named \"__metadata__\": the safetensors header uses that name");
        if (!tensors.TryAdd(name, new(name, dtype, shape, Count(shape) * dtype.Bits() / 8, write)))
            throw new IlgdException($"tensor \"{name}\" is added twice");
    }

    static byte[] Header(Pending[] ordered, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        using MemoryStream json = new();
        json.Write(new byte[8]);
        using (Utf8JsonWriter writer = new(json, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            if (metadata.Any())
            {
                writer.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                    writer.WriteString(key, value);
                writer.WriteEndObject();
            }

            long begin = 0;
            foreach (Pending tensor in ordered)
            {
                WriteEntry(writer, tensor, begin);
                begin += tensor.Length;
            }

            writer.WriteEndObject();
        }

        while (json.Length % 8 != 0)
            json.WriteByte((byte)' ');
        byte[] header = json.ToArray();
        if (header.Length - 8 > SafetensorsHeader.MaxLength)
            throw new IlgdException($"a safetensors header of {header.Length - 8} bytes: readers accept {SafetensorsHeader.MaxLength}");
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)header.Length - 8);
        return header;
    }

    static void WriteEntry(Utf8JsonWriter writer, Pending tensor, long begin)
    {
        writer.WriteStartObject(tensor.Name);
        writer.WriteString("dtype", tensor.DType.FileName());
        writer.WriteStartArray("shape");
        foreach (int d in tensor.Shape)
            writer.WriteNumberValue(d);
        writer.WriteEndArray();
        writer.WriteStartArray("data_offsets");
        writer.WriteNumberValue(begin);
        writer.WriteNumberValue(begin + tensor.Length);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    static void WriteFloats(Stream stream, ReadOnlySpan<float> values, SafetensorsDType dtype)
    {
        if (dtype == SafetensorsDType.F32)
        {
            stream.Write(MemoryMarshal.AsBytes(values));
            return;
        }

        ushort[] chunk = new ushort[Math.Min(values.Length, 1 << 15)];
        for (int i = 0; i < values.Length; i += chunk.Length)
        {
            ReadOnlySpan<float> source = values[i..Math.Min(values.Length, i + chunk.Length)];
            Span<ushort> rounded = chunk.AsSpan(0, source.Length);
            if (dtype == SafetensorsDType.BF16)
                BFloat16Bits.FromSingle(source, rounded);
            else
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<ushort, Half>(rounded));
            stream.Write(MemoryMarshal.AsBytes(rounded));
        }
    }

    static void CheckCount(string name, int[] shape, long given)
    {
        if (Count(shape) != given)
            throw new IlgdException($"tensor \"{name}\": shape [{string.Join(", ", shape)}] needs {Count(shape)} values, {given} given");
    }

    static long Count(int[] shape)
    {
        long count = 1;
        foreach (int d in shape)
            count = checked(count * d);
        return count;
    }

    sealed record Pending(string Name, SafetensorsDType DType, int[] Shape, long Length, Action<Stream> Write);
}
