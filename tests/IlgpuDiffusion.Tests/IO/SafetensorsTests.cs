using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.IO;

public sealed class SafetensorsTests : IDisposable
{
    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ilgd-safetensors-");

    string File(string name) => Path.Combine(folder.FullName, name);

    public void Dispose() => folder.Delete(recursive: true);

    // The file written out as the definition says, by hand: header with the training's metadata alone, then data, cut at 1 MiB.
    [Fact]
    public void The_legacy_hash_is_of_64_KiB_from_1_MiB_of_the_file_with_the_training_s_metadata_alone()
    {
        float[] values = [.. Enumerable.Range(0, 300_000).Select(i => (float)i)];
        SafetensorsWriter writer = new();
        writer.Add("a", [300_000], values);
        writer.Metadata["ss_seed"] = "7";
        string before = writer.LegacyHash();
        writer.Metadata["modelspec.title"] = "a title that people change";
        Assert.Equal(before, writer.LegacyHash());

        string json = """{"__metadata__":{"ss_seed":"7"},"a":{"dtype":"F32","shape":[300000],"data_offsets":[0,1200000]}}""";
        byte[] header = Encoding.UTF8.GetBytes(json.PadRight((json.Length + 7) / 8 * 8));
        byte[] file = [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. values.SelectMany(BitConverter.GetBytes)];
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file.AsSpan(0x100000, 0x10000)))[..8], before);

        SafetensorsWriter small = new();
        small.Add("a", [1], new float[1]);
        Assert.Equal("e3b0c442", small.LegacyHash());
    }

    [Fact]
    public void Floats_survive_bit_for_bit_and_integers_and_bytes_come_back()
    {
        float[] odd = [0f, -0f, 1e-45f, float.NaN, BitConverter.UInt32BitsToSingle(0x7FA00001), float.PositiveInfinity, 3.14f];
        SafetensorsWriter writer = new();
        writer.Add("odd", [7], odd);
        writer.Add("ids", [2, 2], new long[] { 0, -1, long.MaxValue, 7 });
        writer.AddBytes("picture", [1, 3], SafetensorsDType.U8, new byte[] { 1, 2, 255 });
        writer.Add("scalar", [], new float[] { 5 });
        writer.Add("nothing", [3, 0], Array.Empty<float>());
        writer.Metadata["format"] = "pt";
        writer.Metadata["quoted \" ü \n"] = "{\"a\": \"😀\"}";
        writer.Write(File("a.safetensors"));

        using SafetensorsReader reader = new(File("a.safetensors"));
        Assert.Equal(odd.Select(BitConverter.SingleToUInt32Bits), reader.ReadFloat32("odd").Select(BitConverter.SingleToUInt32Bits));
        Assert.Equal([0, -1, long.MaxValue, 7], reader.ReadInt64("ids"));
        Assert.Equal([1, 2, 255], reader.ReadInt64("picture"));
        Assert.Equal([], reader.Entry("scalar").Shape);
        Assert.Equal([3, 0], reader.Entry("nothing").Shape);
        Assert.Equal(writer.Metadata, reader.Metadata.ToDictionary());
        Assert.Equal(["ids", "nothing", "odd", "scalar", "picture"], reader.Names);
    }

    [Fact]
    public void The_data_starts_at_a_multiple_of_8_and_no_temporary_file_is_left()
    {
        SafetensorsWriter writer = new();
        writer.Add("x", [1], new float[] { 1 });
        writer.Write(File("sub/a.safetensors"));
        byte[] bytes = System.IO.File.ReadAllBytes(File("sub/a.safetensors"));
        Assert.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(bytes) % 8);
        Assert.Equal((byte)'{', bytes[8]);
        Assert.Single(Directory.GetFiles(File("sub")));
    }

    [Theory]
    [InlineData(1f, 0x3F80)]
    [InlineData(1.00390625f, 0x3F80)] // 1 + 2^-8: half way, the even neighbour is below
    [InlineData(1.01171875f, 0x3F82)] // 1 + 3·2^-8: half way, the even neighbour is above
    [InlineData(1.00390637f, 0x3F81)] // just above half way
    [InlineData(3.4028235e38f, 0x7F80)] // float.MaxValue rounds to infinity
    [InlineData(-1e-45f, 0x8000)]
    [InlineData(float.NegativeInfinity, 0xFF80)]
    public void BFloat16_rounds_to_nearest_even(float value, int bits) => Assert.Equal(bits, BFloat16Bits.FromSingle(value));

    [Fact]
    public void BFloat16_keeps_a_NaN_whose_payload_is_only_in_the_lower_half() =>
        Assert.True(float.IsNaN(BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(BitConverter.UInt32BitsToSingle(0x7F800001)))));

    [Fact]
    public void Half_precision_rounds_to_nearest_even_and_reads_back_exactly()
    {
        float[] values = [.. Enumerable.Range(0, 70_000).Select(i => (i - 35_000) * 0.37f)];
        SafetensorsWriter writer = new();
        writer.Add("f16", [values.Length], values, SafetensorsDType.F16);
        writer.Add("bf16", [values.Length], () => values, SafetensorsDType.BF16);
        writer.Write(File("h.safetensors"));
        using SafetensorsReader reader = new(File("h.safetensors"));
        Assert.Equal(values.Select(v => (float)(Half)v), reader.ReadFloat32("f16"));
        Assert.Equal(values.Select(v => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(v))), reader.ReadFloat32("bf16"));
    }

    [Fact]
    public void A_wrong_length_or_type_or_name_is_named()
    {
        SafetensorsWriter writer = new();
        writer.Add("w", [2, 3], new float[6]);
        writer.Add("ids", [1], new long[1]);
        writer.Write(File("a.safetensors"));
        using SafetensorsReader reader = new(File("a.safetensors"));
        Assert.Contains("\"w\" (F32 [2, 3]) has 6 elements, not the 5", Assert.Throws<IlgdException>(() => reader.ReadFloat32("w", new float[5])).Message);
        Assert.Contains("\"ids\" has dtype I64", Assert.Throws<IlgdException>(() => reader.ReadFloat32("ids")).Message);
        Assert.Contains("no tensor \"nope\"", Assert.Throws<IlgdException>(() => reader.Entry("nope")).Message);
        Assert.Throws<IlgdException>(() => writer.Add("w", [1], new float[1]));
        Assert.Throws<IlgdException>(() => writer.Add("v", [2], new float[1]));
        Assert.Contains("no such file", Assert.Throws<IlgdException>(() => new SafetensorsReader(File("missing.safetensors"))).Message);
    }

    [Fact]
    public void Shards_read_as_one_and_a_lying_index_is_refused()
    {
        Shard("m-1.safetensors", "a", 1);
        Shard("m-2.safetensors", "b", 2);
        using (TensorSource source = TensorSource.Open(Index("""{"a": "m-1.safetensors", "b": "m-2.safetensors"}""")))
        {
            Assert.Equal(["a", "b"], source.Names);
            Assert.Equal([2f], source.ReadFloat32("b"));
        }

        Assert.Contains("\"b\" is not in m-1", Fails("""{"a": "m-1.safetensors", "b": "m-1.safetensors"}"""));
        Assert.Contains("m-9.safetensors: no such file", Fails("""{"a": "m-9.safetensors"}"""));
        Assert.Contains("must be a file name", Fails("""{"a": "../m-1.safetensors"}"""));
        Assert.Contains("\"a\" is there twice", Fails("""{"a": "m-1.safetensors", "a": "m-1.safetensors"}"""));

        string Fails(string map) => Assert.Throws<IlgdException>(() => TensorSource.Open(Index(map))).Message;
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Written_again_the_library_s_own_file_has_the_same_data_bytes()
    {
        string path = Shared.Require("fixtures", "tiny-sd", "text_encoder", "model.safetensors");
        using SafetensorsReader reader = new(path);
        SafetensorsWriter writer = new();
        foreach (string name in reader.Names.Reverse())
            writer.AddBytes(name, reader.Shape(name), reader.Entry(name).DType, reader.Bytes(name).ToArray());
        foreach ((string key, string value) in reader.Metadata)
            writer.Metadata[key] = value;
        writer.Write(File("again.safetensors"));
        Assert.Equal(System.IO.File.ReadAllBytes(path), System.IO.File.ReadAllBytes(File("again.safetensors")));
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_sharded_UNet_is_the_whole_one_and_its_half_precision_copies_are_its_rounding()
    {
        using TensorSource whole = TensorSource.Open(Shared.Require("fixtures", "tiny-sd", "unet", "diffusion_pytorch_model.safetensors"));
        using TensorSource sharded = TensorSource.Open(Shared.Require("fixtures", "tiny-sd-variants", "unet_sharded", "diffusion_pytorch_model.safetensors.index.json"));
        using TensorSource bf16 = TensorSource.Open(Shared.Require("fixtures", "tiny-sd-variants", "unet_bf16", "diffusion_pytorch_model.safetensors"));
        Assert.Equal(whole.Names.Order(StringComparer.Ordinal), sharded.Names.Order(StringComparer.Ordinal));
        foreach (string name in whole.Names)
        {
            float[] values = whole.ReadFloat32(name);
            Assert.Equal(values, sharded.ReadFloat32(name));
            Assert.Equal(values.Select(v => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(v))), bf16.ReadFloat32(name));
        }
    }

    void Shard(string file, string name, float value)
    {
        SafetensorsWriter writer = new();
        writer.Add(name, [1], new[] { value });
        writer.Write(File(file));
    }

    string Index(string weightMap)
    {
        string path = File("m.safetensors.index.json");
        System.IO.File.WriteAllText(path, $$"""{"metadata": {}, "weight_map": {{weightMap}}}""");
        return path;
    }
}
