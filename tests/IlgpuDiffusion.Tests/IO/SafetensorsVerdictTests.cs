using System.Security.Cryptography;
using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.IO;

/// The official library's verdict on every file of fixtures/safetensors-malformed.
[Trait("Category", "Fixtures")]
public sealed class SafetensorsVerdictTests
{
    /// What the official library accepts and we refuse on purpose.
    static readonly Dictionary<string, string> RefusedOnPurpose = new()
    {
        ["dup_key_same.safetensors"] = "the format forbids duplicate names: two readers may take different entries",
        ["dup_metadata_key.safetensors"] = "the same for metadata",
        ["entry_list.safetensors"] = "an accident of the library's JSON mapping, not part of the format",
        ["shape_zero_times_huge.safetensors"] = "a dimension of 2^63 fits no tensor; torch refuses it as well",
    };

    [Fact]
    public void Every_file_gets_the_verdict_of_the_official_library()
    {
        string folder = Shared.Require("fixtures", "safetensors-malformed");
        using JsonDocument verdicts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "verdicts.json")));
        List<string> wrong = [];
        int checkedFiles = 0;
        foreach (JsonElement row in verdicts.RootElement.GetProperty("files").EnumerateArray())
        {
            string file = row.GetProperty("file").GetString()!;
            bool accept = row.GetProperty("verdict").GetString() == "accept" && !RefusedOnPurpose.ContainsKey(file);
            string? problem = Check(Path.Combine(folder, file), accept, row);
            if (problem is not null)
                wrong.Add($"{file}: {problem}");
            checkedFiles++;
        }

        Assert.True(checkedFiles > 0, "verdicts.json names no files");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    static string? Check(string path, bool accept, JsonElement row)
    {
        try
        {
            using SafetensorsReader reader = new(path);
            return accept ? CompareContent(reader, row) : "accepted, expected to be refused";
        }
        catch (IlgdException e)
        {
            if (accept)
                return $"refused, expected to be accepted: {e.Message}";
            return e.Message.StartsWith(path, StringComparison.Ordinal) && !e.Message.Contains('\n') ? null : $"not one line that names the file: {e.Message}";
        }
    }

    static string? CompareContent(SafetensorsReader reader, JsonElement row)
    {
        Dictionary<string, string> tensors = row.GetProperty("tensors").EnumerateObject()
            .ToDictionary(t => t.Name, t => $"{t.Value[0].GetString()} [{string.Join(", ", t.Value[1].EnumerateArray())}]");
        if (!tensors.Keys.Order().SequenceEqual(reader.Names.Order()))
            return $"names {string.Join(", ", reader.Names)}";
        foreach ((string name, string description) in tensors)
        {
            if (reader.Entry(name).Describe() != description)
                return $"{name} is {reader.Entry(name).Describe()}, expected {description}";
            string hash = Convert.ToHexStringLower(SHA256.HashData(reader.Bytes(name)))[..16];
            if (hash != row.GetProperty("sha256").GetProperty(name).GetString())
                return $"{name}: other bytes";
        }

        JsonElement metadata = row.GetProperty("metadata");
        IEnumerable<string> expected = metadata.ValueKind == JsonValueKind.Null ? [] : metadata.EnumerateObject().Select(m => $"{m.Name}={m.Value}");
        return expected.Order().SequenceEqual(reader.Metadata.Select(m => $"{m.Key}={m.Value}").Order()) ? null : "other metadata";
    }
}
