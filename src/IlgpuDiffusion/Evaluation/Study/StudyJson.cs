using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace IlgpuDiffusion.Evaluation;

/// How keys, answers and results are written, and read strictly: these files pass through many hands.
static class StudyJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// `what`: what the file should be
    public static T Load<T>(string path, string what)
        where T : class
    {
        if (!File.Exists(path))
            throw new IlgdException($"{path}: no such file");
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Options) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new IlgdException($"{path}: not {what}: {e.Message}", e);
        }
    }
}
