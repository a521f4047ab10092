using System.Buffers.Binary;
using System.Text;
using IlgpuDiffusion.Diagnostics;

namespace IlgpuDiffusion.Tests.Diagnostics;

public sealed class TensorBoardWriterTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-events-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    // RFC 3720 B.4 and the check value of the CRC catalogue.
    [Theory]
    [InlineData("313233343536373839", 0xE3069283)]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8A9136AA)]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 0x62A8AB43)]
    [InlineData("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", 0x46DD794E)]
    public void Crc32c_of_known_vectors(string hex, uint expected) => Assert.Equal(expected, Crc32C.Compute(Convert.FromHexString(hex)));

    // A file of TensorFlow's own begins with the length 24 and this masked CRC of it.
    [Fact]
    public void Masked_crc_of_the_length_that_every_event_file_begins_with() =>
        Assert.Equal(Convert.FromHexString("a37f4b22"), BitConverter.GetBytes(Crc32C.Masked(BitConverter.GetBytes(24UL))));

    [Fact]
    public void Events_parse_back_as_they_were_written()
    {
        byte[] png = [0x89, 0x50, 0x4e, 0x47, 1, 2, 3];
        string path;
        using (TensorBoardWriter writer = new(folder))
        {
            writer.Scalar("train/loss", 0.25, 7);
            writer.Image("samples/0", png, 640, 480, 300);
            path = writer.FilePath;
        }

        Assert.Matches(@"^events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+$", Path.GetFileName(path));
        List<Message> events = ReadEvents(path);
        Assert.Equal(3, events.Count);
        Assert.Equal("brain.Event:2", events[0].Text(3));
        double now = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        Assert.InRange(BitConverter.UInt64BitsToDouble(events[0].Number(1)), now - 60, now + 1);

        Message scalar = events[1].Inner(5).Inner(1);
        Assert.Equal(7u, events[1].Number(2));
        Assert.Equal("train/loss", scalar.Text(1));
        Assert.Equal(0.25f, BitConverter.UInt32BitsToSingle((uint)scalar.Number(2)));

        Message image = events[2].Inner(5).Inner(1).Inner(4);
        Assert.Equal(300u, events[2].Number(2));
        Assert.Equal([480u, 640u, 3u], [image.Number(1), image.Number(2), image.Number(3)]);
        Assert.Equal(png, image.Bytes(4));
    }

    [Fact]
    public void Resuming_marks_the_step_from_which_older_events_are_hidden()
    {
        string path;
        using (TensorBoardWriter writer = new(folder, resumeAtStep: 50))
            path = writer.FilePath;

        Message start = ReadEvents(path)[1];
        Assert.Equal(50u, start.Number(2));
        Assert.Equal(1u, start.Inner(7).Number(1));
    }

    [Fact]
    public void Two_writers_of_one_second_do_not_share_a_file()
    {
        using TensorBoardWriter first = new(folder), second = new(folder);
        Assert.NotEqual(first.FilePath, second.FilePath);
    }

    static List<Message> ReadEvents(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        List<Message> events = [];
        for (int at = 0; at < file.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(Crc32C.Masked(file.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            ReadOnlySpan<byte> data = file.AsSpan(at + 12, length);
            Assert.Equal(Crc32C.Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            events.Add(new Message(data));
            at += 16 + length;
        }
        return events;
    }

    /// A parsed protobuf message, field number to number or bytes.
    sealed class Message
    {
        readonly Dictionary<int, (ulong Number, byte[] Bytes)> fields = [];

        public Message(ReadOnlySpan<byte> data)
        {
            for (int at = 0; at < data.Length;)
            {
                ulong key = Varint(data, ref at);
                int field = (int)(key >> 3);
                switch (key & 7)
                {
                    case 0:
                        fields.Add(field, (Varint(data, ref at), []));
                        break;
                    case 1:
                        fields.Add(field, (BinaryPrimitives.ReadUInt64LittleEndian(data[at..]), []));
                        at += 8;
                        break;
                    case 2:
                        int length = (int)Varint(data, ref at);
                        fields.Add(field, (0, data.Slice(at, length).ToArray()));
                        at += length;
                        break;
                    default:
                        fields.Add(field, (BinaryPrimitives.ReadUInt32LittleEndian(data[at..]), []));
                        at += 4;
                        break;
                }
            }
        }

        public ulong Number(int field) => fields[field].Number;

        public byte[] Bytes(int field) => fields[field].Bytes;

        public string Text(int field) => Encoding.UTF8.GetString(Bytes(field));

        public Message Inner(int field) => new(Bytes(field));

        static ulong Varint(ReadOnlySpan<byte> data, ref int at)
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte b = data[at++];
                value |= (ulong)(b & 0x7f) << shift;
                if (b < 0x80)
                    return value;
            }
        }
    }
}
