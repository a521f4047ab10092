using System.Text.Json;
using System.Text.Json.Serialization;

namespace IlgpuDiffusion.Models;

/// Reads and writes a published `config.json` as a record whose property names are the JSON names in C# spelling.
static class ConfigJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    /// `only` lists the keys that have no property because this program knows one way: key -> accepted values as JSON. With `strict`, any
    /// other key must be null or false: an option that asks for nothing. Keys that start with an underscore are about the file.
    /// `part`: where the file has an object of that name, it is the config, and the rest is about other networks.
    public static T Load<T>(string path, IReadOnlyDictionary<string, string[]> only, bool strict, string? part = null)
        where T : class
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new IlgdException($"{path}: a config is a JSON object, this is {json.RootElement.ValueKind}");
            JsonElement config = part is not null && json.RootElement.TryGetProperty(part, out JsonElement inner) && inner.ValueKind == JsonValueKind.Object ? inner : json.RootElement;
            HashSet<string> known = [.. typeof(T).GetProperties().Select(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name))];
            foreach (JsonProperty p in config.EnumerateObject())
            {
                if (only.TryGetValue(p.Name, out string[]? accepted))
                    CheckAccepted(path, p, accepted);
                else if (strict && !known.Contains(p.Name) && !p.Name.StartsWith('_') && AsksForSomething(p.Value))
                    throw new IlgdException(
                        $"{path}: key '{p.Name}' with value {p.Value.GetRawText()} is not one this program knows; such a model would come out wrong");
            }

            return config.Deserialize<T>(Options)!;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
        catch (JsonException e)
        {
            throw new IlgdException($"{path}: not a valid config{(e.Path is null ? "" : $", key '{e.Path.TrimStart('$', '.')}'")}: {e.Message}", e);
        }
    }

    /// The record as JSON with `_class_name` (diffusers) or `architectures` and `model_type` (transformers) in front.
    public static byte[] Write<T>(T config, params (string Key, object Value)[] first)
    {
        Dictionary<string, object?> all = first.ToDictionary(f => f.Key, f => (object?)f.Value);
        foreach (JsonProperty p in JsonSerializer.SerializeToElement(config, Options).EnumerateObject())
            all.Add(p.Name, p.Value);
        return JsonSerializer.SerializeToUtf8Bytes(all, Options);
    }

    public static void Require(bool good, string source, string key, object value, string expected)
    {
        if (!good)
            throw new IlgdException($"{source}: key '{key}' is {value}; expected {expected}");
    }

    static bool AsksForSomething(JsonElement value) => value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False);

    static void CheckAccepted(string path, JsonProperty p, string[] accepted)
    {
        foreach (string text in accepted)
        {
            using JsonDocument value = JsonDocument.Parse(text);
            if (JsonElement.DeepEquals(value.RootElement, p.Value))
                return;
        }

        throw new IlgdException(
            $"{path}: key '{p.Name}' is {p.Value.GetRawText()}, which is not implemented; it can be {string.Join(" or ", accepted)}");
    }
}

/// A number, or a list with one number a level.
sealed class IntOrListConverter : JsonConverter<int[]>
{
    public override int[] Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number)
            return [reader.GetInt32()];
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("expected a number or a list of numbers");
        List<int> values = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            values.Add(reader.GetInt32());
        return [.. values];
    }

    public override void Write(Utf8JsonWriter writer, int[] value, JsonSerializerOptions options)
    {
        if (value.Length == 1)
        {
            writer.WriteNumberValue(value[0]);
            return;
        }

        writer.WriteStartArray();
        foreach (int v in value)
            writer.WriteNumberValue(v);
        writer.WriteEndArray();
    }
}
