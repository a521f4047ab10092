using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Data.World;

/// The vocabulary of a small model as a CLIP tokenizer: 256 bytes, the same 256 at the end of a word, the merges that a
/// byte-pair training on the word list makes (until every word is one token), begin and end marks. Any CLIP tokenizer that
/// reads vocab.json and merges.txt gives exactly one token for each of the words, and spells out what it does not know.
public sealed partial class WordVocabulary
{
    const string EndOfWord = "</w>", Begin = "<|startoftext|>", End = "<|endoftext|>";

    static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    static readonly JsonSerializerOptions Indented = new(Plain) { WriteIndented = true };

    readonly Dictionary<string, int> ids = [];
    readonly List<(string Left, string Right)> merges = [];

    /// words: lower case, each one piece for CLIP's splitter (letters only, or "'s", or punctuation).
    public WordVocabulary(IEnumerable<string> words)
    {
        Words = [.. words];
        foreach (string word in Words)
            if (!Split(word).SequenceEqual([word]))
                throw new IlgdException($"WordVocabulary: \"{word}\" is not one lower-case word for CLIP's splitter; use letters only");

        Train();
        string[] bytes = [.. ByteSymbols()];
        foreach (string token in bytes.Concat(bytes.Select(b => b + EndOfWord)).Concat(merges.Select(m => m.Left + m.Right)))
            if (!ids.TryAdd(token, ids.Count)) throw new IlgdException($"WordVocabulary: the merges make \"{token}\" twice; change the word list");
        ids.Add(Begin, ids.Count);
        ids.Add(End, ids.Count);
    }

    /// The words of the captions and the identifier that no caption has.
    public static WordVocabulary FaceMini { get; } = new([.. Captions.Words, Captions.Identifier]);

    public IReadOnlyList<string> Words { get; }
    public int Count => ids.Count;
    public int BeginId => ids[Begin];

    /// Also the padding, as in SD 1.5; the highest id, which is where older CLIP text models look for the end.
    public int EndId => ids[End];

    /// id of one of the words.
    public int this[string word] => ids.TryGetValue(word + EndOfWord, out int id) && Words.Contains(word)
        ? id
        : throw new IlgdException($"WordVocabulary: \"{word}\" is not one of the {Words.Count} words");

    /// Begin, the words, end, then end again up to maxTokens. Too long a text loses its last words, as in CLIP.
    public int[] Encode(string text, int maxTokens = Captions.MaxTokens)
    {
        int[] tokens = new int[maxTokens];
        Array.Fill(tokens, EndId);
        tokens[0] = BeginId;
        int i = 1;
        foreach (string word in Split(text).Take(maxTokens - 2)) tokens[i++] = this[word];
        return tokens;
    }

    /// The pieces of a text as CLIP's splitter makes them: lower case; contractions, runs of letters, digits, runs of the rest.
    public static IEnumerable<string> Split(string text) => Splitter().Matches(text.ToLowerInvariant()).Select(match => match.Value);

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")]
    private static partial Regex Splitter();

    /// Writes vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json.
    public void Save(string folder, int maxTokens = Captions.MaxTokens)
    {
        Directory.CreateDirectory(folder);
        StringBuilder lines = new("#version: 0.2\n");
        foreach ((string left, string right) in merges) lines.Append(left).Append(' ').Append(right).Append('\n');

        Write(folder, "vocab.json", JsonSerializer.Serialize(ids, Plain));
        Write(folder, "merges.txt", lines.ToString());
        Write(folder, "special_tokens_map.json", JsonSerializer.Serialize(
            new Dictionary<string, object> { ["bos_token"] = Begin, ["eos_token"] = End, ["pad_token"] = End, ["unk_token"] = End }, Indented) + "\n");
        Write(folder, "tokenizer_config.json", JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["add_prefix_space"] = false,
            ["bos_token"] = Begin,
            ["do_lower_case"] = true,
            ["eos_token"] = End,
            ["errors"] = "replace",
            ["model_max_length"] = maxTokens,
            ["pad_token"] = End,
            ["tokenizer_class"] = "CLIPTokenizer",
            ["unk_token"] = End,
        }, Indented) + "\n");
    }

    static void Write(string folder, string name, string text)
    {
        string path = Path.Combine(folder, name), beside = path + ".tmp";
        File.WriteAllText(beside, text);
        File.Move(beside, path, overwrite: true);
    }

    /// Byte-pair training: merge the most frequent pair (ties in ordinal order) everywhere, until every word is one token.
    /// An encoder that applies the merges in this order repeats the same steps on each word.
    void Train()
    {
        List<string[]> pieces = [.. Words.Select(Spell)];
        while (pieces.Any(p => p.Length > 1))
        {
            (string Left, string Right) pair = pieces
                .SelectMany(p => p.Zip(p.Skip(1)))
                .GroupBy(p => p)
                .OrderByDescending(g => g.Count())
                .ThenBy(g => g.Key.First, StringComparer.Ordinal)
                .ThenBy(g => g.Key.Second, StringComparer.Ordinal)
                .First().Key;
            merges.Add(pair);
            pieces = [.. pieces.Select(p => Merge(p, pair))];
        }
    }

    static string[] Merge(string[] pieces, (string Left, string Right) pair)
    {
        List<string> merged = [];
        for (int i = 0; i < pieces.Length; i++)
        {
            bool here = i + 1 < pieces.Length && pieces[i] == pair.Left && pieces[i + 1] == pair.Right;
            merged.Add(here ? pair.Left + pair.Right : pieces[i]);
            if (here) i++;
        }
        return [.. merged];
    }

    static string[] Spell(string word)
    {
        string[] letters = [.. Encoding.UTF8.GetBytes(word).Select(b => ByteSymbol(b).ToString())];
        letters[^1] += EndOfWord;
        return letters;
    }

    /// GPT-2's alphabet: a printable byte stands for itself; the other 68 are moved, in order, to U+0100 and up.
    static char ByteSymbol(byte b) => Printable(b) ? (char)b : (char)(256 + Enumerable.Range(0, b).Count(other => !Printable((byte)other)));

    static bool Printable(byte b) => b is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;

    /// In the order of CLIP's vocabulary: first the printable bytes, then the moved ones.
    static IEnumerable<string> ByteSymbols()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(b => (byte)b)];
        return all.Where(Printable).Concat(all.Where(b => !Printable(b))).Select(b => ByteSymbol(b).ToString());
    }
}
