using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace IlgpuDiffusion.Diagnostics;

/// An event file that TensorBoard reads: records of u64 length, masked CRC-32C of it, data, masked CRC-32C of that, little-endian.
/// Data is a protobuf Event {1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log}; a summary holds
/// Value {1 tag, 2 simple_value, 4 image {1 height, 2 width, 3 colour channels, 4 PNG}}. Every record is flushed as it is written.
public sealed class TensorBoardWriter : IDisposable
{
    readonly FileStream file;
    readonly TimeProvider clock;

    /// A new file `events.out.tfevents.{seconds}.{host}.{pid}.{n}` in the folder. A run that resumes passes its step, and TensorBoard
    /// hides what earlier files hold from there on.
    public TensorBoardWriter(string folder, long? resumeAtStep = null, TimeProvider? clock = null)
    {
        this.clock = clock ?? TimeProvider.System;
        Directory.CreateDirectory(folder);
        long seconds = this.clock.GetUtcNow().ToUnixTimeSeconds();
        string name = $"events.out.tfevents.{seconds:D10}.{Environment.MachineName}.{Environment.ProcessId}";
        int n = 0;
        while (File.Exists(Path.Combine(folder, $"{name}.{n}")))
            n++;
        FilePath = Path.Combine(folder, $"{name}.{n}");
        file = new FileStream(FilePath, FileMode.CreateNew, FileAccess.Write, FileShare.Read);

        WriteEvent(0, e => e.Text(3, "brain.Event:2"));
        if (resumeAtStep is { } step)
        {
            const int start = 1;
            WriteEvent(step, e => e.Message(7, log => log.Varint(1, start)));
        }
    }

    public string FilePath { get; }

    public void Scalar(string tag, double value, long step) => Value(step, v =>
    {
        v.Text(1, tag);
        v.Float(2, (float)value);
    });

    /// `png`: an encoded RGB picture of the given size.
    public void Image(string tag, ReadOnlyMemory<byte> png, int width, int height, long step) => Value(step, v =>
    {
        const int rgb = 3;
        v.Text(1, tag);
        v.Message(4, image =>
        {
            image.Varint(1, height);
            image.Varint(2, width);
            image.Varint(3, rgb);
            image.Bytes(4, png.Span);
        });
    });

    public void Dispose() => file.Dispose();

    void Value(long step, Action<Protobuf> write) => WriteEvent(step, e => e.Message(5, summary => summary.Message(1, write)));

    void WriteEvent(long step, Action<Protobuf> write)
    {
        Protobuf message = new();
        message.Double(1, (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds);
        message.Varint(2, step);
        write(message);

        ReadOnlySpan<byte> data = message.Written;
        var record = new byte[8 + 4 + data.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Crc32C.Masked(record.AsSpan(0, 8)));
        data.CopyTo(record.AsSpan(12));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), Crc32C.Masked(data));
        file.Write(record);
        file.Flush();
    }

    /// The few protobuf field kinds that events need.
    sealed class Protobuf
    {
        readonly ArrayBufferWriter<byte> bytes = new();

        public ReadOnlySpan<byte> Written => bytes.WrittenSpan;

        public void Varint(int field, long value)
        {
            Raw(((ulong)field << 3) | 0);
            Raw((ulong)value);
        }

        public void Double(int field, double value)
        {
            Raw(((ulong)field << 3) | 1);
            Span<byte> buffer = stackalloc byte[8];
            BinaryPrimitives.WriteDoubleLittleEndian(buffer, value);
            bytes.Write(buffer);
        }

        public void Float(int field, float value)
        {
            Raw(((ulong)field << 3) | 5);
            Span<byte> buffer = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(buffer, value);
            bytes.Write(buffer);
        }

        public void Bytes(int field, ReadOnlySpan<byte> value)
        {
            Raw(((ulong)field << 3) | 2);
            Raw((ulong)value.Length);
            bytes.Write(value);
        }

        public void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public void Message(int field, Action<Protobuf> write)
        {
            Protobuf inner = new();
            write(inner);
            Bytes(field, inner.Written);
        }

        void Raw(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
                bytes.Write([(byte)(value | 0x80)]);
            bytes.Write([(byte)value]);
        }
    }
}
