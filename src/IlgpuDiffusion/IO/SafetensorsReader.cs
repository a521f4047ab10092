using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace IlgpuDiffusion.IO;

/// A safetensors file, mapped into memory: opening reads the header, tensors are read when asked for.
/// Errors (IlgdException, at opening): everything SafetensorsHeader refuses, and a length that lies.
public sealed unsafe class SafetensorsReader : TensorSource
{
    readonly SafetensorsHeader header;
    readonly SafeFileHandle file;
    readonly MemoryMappedFile map;
    readonly MemoryMappedViewAccessor view;
    readonly long dataStart;
    byte* start;

    public SafetensorsReader(string path)
    {
        Path = path;
        if (System.IO.Path.GetExtension(path) is ".bin" or ".pt" or ".pth" or ".ckpt" or ".pkl")
            throw new IlgdException($"{path}: a pickle by its name, which can run code and is never read; convert it with the safetensors library");
        long length = FileLength(path);
        if (length < 8)
            throw new IlgdException($"{path}: not a safetensors file: {length} bytes, at least 8 are needed");
        try
        {
            file = File.OpenHandle(path);
            map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }

        view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            ulong headerLength = view.ReadUInt64(0);
            if (headerLength > SafetensorsHeader.MaxLength)
                throw new IlgdException($"{path}: not a safetensors file: {Guess(new(start, (int)Math.Min(length, 64)), headerLength)}");
            dataStart = 8 + (long)headerLength;
            if (dataStart > length)
                throw new IlgdException($"{path}: not a valid safetensors file: the header claims {headerLength} bytes, the file has {length}");
            header = new(path, new(start + 8, (int)headerLength), length - dataStart);
            Names = [.. header.InDataOrder.Select(e => e.Name)];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Path { get; }

    public override IReadOnlyList<string> Names { get; }

    public override IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    public override bool Contains(string name) => header.Entries.ContainsKey(name);

    public override SafetensorsEntry Entry(string name) =>
        header.Entries.TryGetValue(name, out SafetensorsEntry? entry) ? entry : throw new IlgdException($"{Path}: no tensor \"{name}\"");

    public override ReadOnlySpan<byte> Bytes(string name)
    {
        ObjectDisposedException.ThrowIf(start is null, this);
        SafetensorsEntry entry = Entry(name);
        long length = entry.End - entry.Begin;
        if (length > int.MaxValue)
            throw new IlgdException($"{Path}: tensor \"{name}\" has {length} bytes, more than {int.MaxValue} cannot be read at once");
        return new(start + dataStart + entry.Begin, (int)length);
    }

    protected internal override void Read(string name, long offset, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(start is null, this);
        long at = dataStart + Entry(name).Begin + offset;
        while (destination.Length > 0)
        {
            int count = RandomAccess.Read(file, destination, at);
            if (count == 0)
                throw new IlgdException($"{Path}: ends inside tensor \"{name}\": it was cut short while it was read");
            destination = destination[count..];
            at += count;
        }
    }

    public override void Dispose()
    {
        if (start is not null)
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        start = null;
        view.Dispose();
        map.Dispose();
        file.Dispose();
    }

    static long FileLength(string path)
    {
        FileInfo file = new(path);
        return file.Exists ? file.Length : throw new IlgdException($"{path}: no such file");
    }

    /// What people rename to .safetensors, told from the first bytes.
    static string Guess(ReadOnlySpan<byte> bytes, ulong headerLength)
    {
        if (bytes.StartsWith("version https://git-lfs"u8))
            return "this is a git-lfs pointer, fetch the real file with `git lfs pull`";
        if (bytes.StartsWith("PK\x03\x04"u8) || bytes[0] == 0x80)
            return "this is a pickle (.bin, .pt, .ckpt), which can run code and is never read; convert it with the safetensors library";
        if (bytes[0] == '<')
            return "this is an HTML or XML page, the download went wrong";
        return $"the header claims {headerLength} bytes, more than {SafetensorsHeader.MaxLength}";
    }
}
