using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace IlgpuDiffusion.IO;

/// The JSON header of a safetensors file, read strictly. Refused beside what JSON itself forbids: duplicate names (of tensors,
/// metadata or fields), overlaps, holes, bytes left over, and sizes that do not follow from dtype and shape.
sealed class SafetensorsHeader
{
    public const long MaxLength = 100_000_000;

    // The depth at which the official reader gives up.
    const int MaxDepth = 127;

    readonly string path;
    readonly Dictionary<string, SafetensorsEntry> entries = new(StringComparer.Ordinal);
    Dictionary<string, string>? metadata;

    /// json: the header without its 8-byte length; dataLength: bytes that follow it in the file.
    public SafetensorsHeader(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        this.path = path;
        if (!Utf8.IsValid(json))
            throw Fail("the header is not valid UTF-8");
        try
        {
            Parse(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escaped lone surrogate, which Utf8JsonReader only notices when it builds the string.
            throw new IlgdException($"{path}: the header is not valid JSON: {e.Message}", e);
        }

        InDataOrder = [.. entries.Values.OrderBy(e => e.Begin).ThenBy(e => e.End).ThenBy(e => e.Name, StringComparer.Ordinal)];
        CheckCoverage(dataLength);
    }

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => entries;
    public IReadOnlyList<SafetensorsEntry> InDataOrder { get; }
    public IReadOnlyDictionary<string, string> Metadata => metadata ?? [];

    void Parse(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        Expect(ref reader, JsonTokenType.StartObject, "the header");
        while (ReadKey(ref reader, out string name))
        {
            if (name == "__metadata__")
                ParseMetadata(ref reader);
            else if (!entries.TryAdd(name, ParseEntry(ref reader, name)))
                throw Fail($"tensor {Quote(name)} is there twice");
        }

        // Utf8JsonReader reports anything but white space after the object.
        reader.Read();
    }

    void ParseMetadata(ref Utf8JsonReader reader)
    {
        if (metadata is not null)
            throw Fail("__metadata__ is there twice");
        metadata = new(StringComparer.Ordinal);
        if (reader.TokenType == JsonTokenType.Null)
            return;
        Expect(ref reader, JsonTokenType.StartObject, "__metadata__");
        while (ReadKey(ref reader, out string key))
        {
            Expect(ref reader, JsonTokenType.String, $"__metadata__ {Quote(key)}");
            if (!metadata.TryAdd(key, reader.GetString()!))
                throw Fail($"__metadata__ {Quote(key)} is there twice");
        }
    }

    SafetensorsEntry ParseEntry(ref Utf8JsonReader reader, string name)
    {
        SafetensorsDType? dtype = null;
        List<ulong>? shape = null;
        List<ulong>? offsets = null;
        string what = $"tensor {Quote(name)}";
        Expect(ref reader, JsonTokenType.StartObject, what);
        while (ReadKey(ref reader, out string field))
        {
            if (field is "dtype" && dtype is null)
            {
                Expect(ref reader, JsonTokenType.String, $"{what}: dtype");
                string text = reader.GetString()!;
                dtype = SafetensorsDTypes.TryParse(text, out SafetensorsDType known) ? known : throw Fail($"{what}: unknown dtype {Quote(text)}");
            }
            else if (field is "shape" && shape is null)
            {
                shape = ParseNumbers(ref reader, $"{what}: shape");
            }
            else if (field is "data_offsets" && offsets is null)
            {
                offsets = ParseNumbers(ref reader, $"{what}: data_offsets");
            }
            else if (field is "dtype" or "shape" or "data_offsets")
            {
                throw Fail($"{what}: {field} is there twice");
            }
            else
            {
                reader.Skip();
            }
        }

        return Check(what, name, dtype ?? throw Fail($"{what}: no dtype"), shape ?? throw Fail($"{what}: no shape"),
            offsets ?? throw Fail($"{what}: no data_offsets"));
    }

    SafetensorsEntry Check(string what, string name, SafetensorsDType dtype, List<ulong> shape, List<ulong> offsets)
    {
        if (offsets.Count != 2)
            throw Fail($"{what}: data_offsets has {offsets.Count} numbers, expected 2");
        (ulong begin, ulong end) = (offsets[0], offsets[1]);
        if (begin > end || end > long.MaxValue)
            throw Fail($"{what}: data_offsets [{begin}, {end}] is not a range");
        UInt128 bits = (uint)dtype.Bits();
        foreach (ulong d in shape)
        {
            if (d > int.MaxValue)
                throw Fail($"{what}: dimension {d} is larger than {int.MaxValue}");
            bits *= d;
            if (bits > ulong.MaxValue)
                throw Fail($"{what}: shape [{string.Join(", ", shape)}] overflows a 64-bit size");
        }

        if (bits % 8 != 0)
            throw Fail($"{what}: {dtype.FileName()} [{string.Join(", ", shape)}] does not end at a whole byte");
        if (bits / 8 != end - begin)
            throw Fail($"{what}: {dtype.FileName()} [{string.Join(", ", shape)}] needs {bits / 8} bytes, data_offsets give {end - begin}");
        return new(name, dtype, [.. shape.Select(d => (int)d)], (long)begin, (long)end);
    }

    void CheckCoverage(long dataLength)
    {
        long expected = 0;
        foreach (SafetensorsEntry e in InDataOrder)
        {
            if (e.Begin != expected)
            {
                string fault = e.Begin < expected ? "overlap" : "hole";
                throw Fail($"tensor {Quote(e.Name)} begins at byte {e.Begin} of the data, expected {expected}: {fault}");
            }

            expected = e.End;
        }

        if (expected > dataLength)
            throw Fail($"the file is cut short: the tensors need {expected} bytes of data, it holds {dataLength}");
        if (expected < dataLength)
            throw Fail($"bytes are left over: the tensors cover {expected} bytes of data, the file holds {dataLength}");
    }

    /// Steps to the next property and onto its value; false at the object's end.
    static bool ReadKey(ref Utf8JsonReader reader, out string key)
    {
        reader.Read();
        key = "";
        if (reader.TokenType == JsonTokenType.EndObject)
            return false;
        key = reader.GetString()!;
        return reader.Read();
    }

    List<ulong> ParseNumbers(ref Utf8JsonReader reader, string what)
    {
        Expect(ref reader, JsonTokenType.StartArray, what);
        List<ulong> numbers = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong number))
                throw Fail($"{what}: {Encoding.UTF8.GetString(reader.ValueSpan)} is not an unsigned 64-bit integer");
            numbers.Add(number);
        }

        return numbers;
    }

    void Expect(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        if (reader.TokenType != type)
            throw Fail($"{what}: expected {type}, found {reader.TokenType}");
    }

    IlgdException Fail(string reason) => new($"{path}: not a valid safetensors file: {reason}");

    static string Quote(string name) => name.Length <= 200 ? $"\"{name}\"" : $"\"{name[..200]}...\"";
}
