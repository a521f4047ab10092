using System.Text.Json;

namespace IlgpuDiffusion.Tokenizer;

/// The files of a tokenizer folder: vocab.json, merges.txt, and where present special_tokens_map.json, tokenizer_config.json
/// and added_tokens.json. Errors name file and key.
sealed class TokenizerFiles
{
    const string DefaultBos = "<|startoftext|>";
    const string DefaultEos = "<|endoftext|>";

    readonly string folder;

    public TokenizerFiles(string folder)
    {
        this.folder = folder;
        Vocabulary = ReadIds("vocab.json");
        if (File.Exists(Path.Combine(folder, "added_tokens.json")))
            Added = ReadIds("added_tokens.json");
        Merges = ReadMerges();
        using JsonDocument map = ReadOptional("special_tokens_map.json");
        using JsonDocument config = ReadOptional("tokenizer_config.json");
        Bos = Special("bos_token", map, config) ?? DefaultBos;
        Eos = Special("eos_token", map, config) ?? DefaultEos;
        Unknown = Special("unk_token", map, config) ?? Eos;
        Pad = Special("pad_token", map, config) ?? Eos;
        // Some published configs hold 1e30 for "no limit".
        MaxLength = config.RootElement.TryGetProperty("model_max_length", out JsonElement length) && length.TryGetInt32(out int max) ? max : 77;
    }

    public Dictionary<string, int> Vocabulary { get; }
    public Dictionary<string, int> Added { get; } = [];
    public Dictionary<(int Left, int Right), (int Rank, int Joined)> Merges { get; }
    public string Bos { get; }
    public string Eos { get; }
    public string Unknown { get; }
    public string Pad { get; }
    public int MaxLength { get; }

    Dictionary<string, int> ReadIds(string file)
    {
        using JsonDocument json = Read(file);
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (JsonProperty token in json.RootElement.EnumerateObject())
        {
            if (token.Value.ValueKind != JsonValueKind.Number || !token.Value.TryGetInt32(out int id) || id < 0)
                throw new IlgdException($"{Path.Combine(folder, file)}: \"{token.Name}\": {token.Value} is not a token id");
            ids[token.Name] = id;
        }

        return ids;
    }

    /// One pair a line, the first line has the lowest rank. The joined token must be in the vocabulary.
    Dictionary<(int Left, int Right), (int Rank, int Joined)> ReadMerges()
    {
        string path = Path.Combine(folder, "merges.txt");
        Dictionary<(int, int), (int, int)> merges = [];
        int number = 0;
        foreach (string line in Text(path).Split('\n'))
        {
            number++;
            string[] pair = line.TrimEnd('\r').Split(' ');
            if (line.Trim().Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            if (pair.Length != 2 || !Vocabulary.TryGetValue(pair[0], out int left) || !Vocabulary.TryGetValue(pair[1], out int right)
                || !Vocabulary.TryGetValue(pair[0] + pair[1], out int joined))
                throw new IlgdException($"{path}: line {number}: \"{line}\" is not a pair of tokens of vocab.json whose union is one");
            merges.TryAdd((left, right), (merges.Count, joined));
        }

        return merges;
    }

    JsonDocument Read(string file)
    {
        string path = Path.Combine(folder, file);
        try
        {
            JsonDocument json = JsonDocument.Parse(Text(path));
            return json.RootElement.ValueKind == JsonValueKind.Object ? json : throw new IlgdException($"{path}: expected a JSON object");
        }
        catch (JsonException e)
        {
            throw new IlgdException($"{path}: not valid JSON: {e.Message}", e);
        }
    }

    JsonDocument ReadOptional(string file) => File.Exists(Path.Combine(folder, file)) ? Read(file) : JsonDocument.Parse("{}");

    /// A special token is a string or an object with "content".
    static string? Special(string key, params JsonDocument[] files)
    {
        foreach (JsonDocument file in files)
        {
            if (!file.RootElement.TryGetProperty(key, out JsonElement token))
                continue;
            if (token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out JsonElement content))
                token = content;
            if (token.ValueKind == JsonValueKind.String)
                return token.GetString();
        }

        return null;
    }

    static string Text(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
