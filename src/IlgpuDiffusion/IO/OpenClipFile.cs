using IlgpuDiffusion.IO.Keys;

namespace IlgpuDiffusion.IO;

/// A file whose packed projections (<see cref="OpenClipKeys"/>) show as three tensors each, the rest as it is. One whose rows are no three alike is left whole. Owns the file.
sealed class OpenClipFile : TensorSource
{
    readonly TensorSource file;
    readonly List<string> names = [];
    readonly Dictionary<string, SafetensorsEntry> thirds = new(StringComparer.Ordinal);

    public OpenClipFile(TensorSource file)
    {
        this.file = file;
        foreach (string name in file.Names)
        {
            if (OpenClipKeys.IsPacked(name) && file.Shape(name) is [int rows, ..] && rows % 3 == 0)
                Split(file.Entry(name), rows / 3);
            else
                names.Add(name);
        }
    }

    public override string Path => file.Path;

    public override IReadOnlyList<string> Names => names;

    public override IReadOnlyDictionary<string, string> Metadata => file.Metadata;

    public override bool Contains(string name) => thirds.ContainsKey(name) || file.Contains(name);

    public override SafetensorsEntry Entry(string name) => thirds.TryGetValue(name, out SafetensorsEntry? third) ? third : file.Entry(name);

    public override ReadOnlySpan<byte> Bytes(string name)
    {
        (string key, long offset, long length) = Place(name);
        return file.Bytes(key).Slice((int)offset, (int)length);
    }

    protected internal override void Read(string name, long offset, Span<byte> destination)
    {
        (string key, long start, _) = Place(name);
        file.Read(key, start + offset, destination);
    }

    public override void Dispose() => file.Dispose();

    void Split(SafetensorsEntry whole, int rows)
    {
        long bytes = (whole.End - whole.Begin) / 3, begin = whole.Begin;
        foreach (string name in OpenClipKeys.ThirdsOf(whole.Name))
        {
            names.Add(name);
            thirds.Add(name, whole with { Name = name, Shape = [rows, .. whole.Shape[1..]], Begin = begin, End = begin + bytes });
            begin += bytes;
        }
    }

    // The tensor of the file, and where in it this one's bytes are.
    (string Key, long Offset, long Length) Place(string name)
    {
        SafetensorsEntry entry = Entry(name);
        string key = thirds.ContainsKey(name) ? OpenClipKeys.Packed(name).Key : name;
        return (key, entry.Begin - file.Entry(key).Begin, entry.End - entry.Begin);
    }
}
