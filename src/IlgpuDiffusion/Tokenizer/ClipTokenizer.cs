using System.Text;

namespace IlgpuDiffusion.Tokenizer;

/// CLIP's byte-level BPE, as transformers 5 has it: special tokens are cut out of the raw text; the rest is NFC-normalised, lower-cased and cut
/// into contractions, runs of letters, single digits and runs of anything else that is no white space; each piece becomes its UTF-8 bytes
/// as letters of the byte alphabet, the last one with "&lt;/w&gt;", and is merged.
/// No ftfy: HTML entities and full-width letters stay what they are (the slow tokenizers of older transformers repaired them).
public sealed class ClipTokenizer
{
    const string EndOfWord = "</w>";

    // GPT-2's byte alphabet: printable Latin-1 bytes are themselves, the other 68 are U+0100 and on, in order.
    static readonly char[] ByteToLetter = MakeAlphabet();
    static readonly Dictionary<char, byte> LetterToByte = Enumerable.Range(0, 256).ToDictionary(b => ByteToLetter[b], b => (byte)b);

    static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    readonly Dictionary<string, int> specials = new(StringComparer.Ordinal);
    readonly Dictionary<string, int> vectors = new(StringComparer.Ordinal);
    readonly Dictionary<int, string> tokens = [];
    readonly HashSet<int> skipped = [];
    readonly int[] byteIds;
    readonly int[] lastByteIds;
    readonly BytePairEncoding bpe;

    /// folder: vocab.json and merges.txt; special_tokens_map.json, tokenizer_config.json and added_tokens.json are used where present.
    public ClipTokenizer(string folder)
    {
        TokenizerFiles files = new(folder);
        foreach ((string token, int id) in files.Vocabulary.Concat(files.Added))
            tokens[id] = token;
        BosId = Special(files.Bos);
        EosId = Special(files.Eos);
        PadId = Special(files.Pad);
        int unknown = Special(files.Unknown);
        skipped.UnionWith([BosId, EosId, PadId, unknown]);
        foreach ((string token, int id) in files.Added)
            specials[token] = id;

        byteIds = [.. ByteToLetter.Select(c => files.Vocabulary.GetValueOrDefault($"{c}", unknown))];
        lastByteIds = [.. ByteToLetter.Select(c => files.Vocabulary.GetValueOrDefault($"{c}{EndOfWord}", unknown))];
        bpe = new(files.Merges);
        MaxLength = files.MaxLength;

        int Special(string token)
        {
            if (!files.Vocabulary.TryGetValue(token, out int id) && !files.Added.TryGetValue(token, out id))
                throw new IlgdException($"{folder}: special token \"{token}\" is not in vocab.json");
            specials[token] = id;
            return id;
        }
    }

    public int BosId { get; }
    public int EosId { get; }
    public int PadId { get; }

    /// `model_max_length` of tokenizer_config.json, 77 if it says nothing.
    public int MaxLength { get; }

    /// One more than the largest id: the number of rows an embedding table must have.
    public int Size => tokens.Keys.Max() + 1;

    /// BOS, the text's tokens, EOS; not truncated.
    public int[] Encode(string text) => [BosId, .. EncodeText(text), EosId];

    /// Exactly `maxLength` ids: what is too long loses its end but keeps EOS, what is short is padded on the right.
    public int[] EncodePadded(string text, int maxLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 2);
        int[] ids = Encode(text);
        int[] padded = new int[maxLength];
        Array.Fill(padded, PadId);
        ids.AsSpan(0, Math.Min(ids.Length, maxLength)).CopyTo(padded);
        if (ids.Length > maxLength)
            padded[^1] = EosId;
        return padded;
    }

    public int[] EncodePadded(string text) => EncodePadded(text, MaxLength);

    /// The text's tokens alone. A new word is one token exactly when this gives one id.
    public List<int> EncodeText(string text)
    {
        List<int> ids = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (SpecialAt(text, i) is not string token)
                continue;
            EncodeOrdinary(text[start..i], ids);
            ids.AddRange(Enumerable.Range(specials[token], vectors.GetValueOrDefault(token, 1)));
            start = i + token.Length;
            i = start - 1;
        }

        EncodeOrdinary(text[start..], ids);
        return ids;
    }

    /// Makes `token` an id of its own (textual inversion), or several in a row, the later ones named token_1, token_2, …; it is found in the raw text,
    /// case-sensitive, before anything else is done. `first`: the least id, where the embedding table has more rows than there are tokens.
    /// Errors: the token is there already.
    public int AddToken(string token, int count = 1, int first = 0)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(token);
        int id = Math.Max(Size, first);
        string[] names = [token, .. Enumerable.Range(1, count - 1).Select(i => $"{token}_{i}")];
        if (names.FirstOrDefault(tokens.ContainsValue) is { } there)
            throw new IlgdException($"the tokenizer has a token \"{there}\" already: choose another name");
        for (int i = 0; i < count; i++)
        {
            tokens.Add(id + i, names[i]);
            specials.Add(names[i], id + i);
        }

        vectors.Add(token, count);
        return id;
    }

    /// Text of the ids, words separated by single spaces. BOS, EOS and PAD are left out unless `keepSpecial`.
    /// Errors: an id that no token has.
    public string Decode(IEnumerable<int> ids, bool keepSpecial = false)
    {
        List<byte> bytes = [];
        foreach (int id in ids)
        {
            if (!tokens.TryGetValue(id, out string? token))
                throw new IlgdException($"no token has the id {id}: the largest is {Size - 1}");
            if (specials.ContainsKey(token))
            {
                if (keepSpecial || !skipped.Contains(id))
                    bytes.AddRange(Encoding.UTF8.GetBytes(token + " "));
                continue;
            }

            bool last = token.EndsWith(EndOfWord, StringComparison.Ordinal);
            foreach (char letter in last ? token[..^EndOfWord.Length] : token)
                bytes.AddRange(LetterToByte.TryGetValue(letter, out byte b) ? [b] : Encoding.UTF8.GetBytes($"{letter}"));
            if (last)
                bytes.Add((byte)' ');
        }

        return Encoding.UTF8.GetString([.. bytes]).Trim();
    }

    /// The longest special token that begins at i.
    string? SpecialAt(string text, int i)
    {
        string? found = null;
        foreach (string token in specials.Keys)
        {
            if (token.Length > (found?.Length ?? 0) && string.CompareOrdinal(text, i, token, 0, token.Length) == 0)
                found = token;
        }

        return found;
    }

    void EncodeOrdinary(string text, List<int> ids)
    {
        foreach (string piece in Pieces(Lower(Nfc.Normalize(text))))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(piece);
            int[] symbols = Array.ConvertAll(bytes, b => byteIds[b]);
            symbols[^1] = lastByteIds[bytes[^1]];
            ids.AddRange(bpe.Merge(symbols));
        }
    }

    /// Lower case without context, character by character. U+0130 is the one letter whose lower case is two characters.
    static string Lower(string text)
    {
        StringBuilder lower = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            lower.Append(rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString());
        return lower.ToString();
    }

    /// Matches of  's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+  (by hand: .NET's regular expressions see UTF-16 halves).
    static IEnumerable<string> Pieces(string text)
    {
        int i = 0;
        while (i < text.Length)
        {
            int length = Contraction(text, i);
            if (length == 0)
            {
                Kind kind = KindAt(text, i, out length);
                if (kind == Kind.Space)
                {
                    i += length;
                    continue;
                }

                while (kind != Kind.Number && i + length < text.Length && KindAt(text, i + length, out int more) == kind)
                    length += more;
            }

            yield return text.Substring(i, length);
            i += length;
        }
    }

    static int Contraction(string text, int i)
    {
        if (text[i] != '\'')
            return 0;
        foreach (string contraction in Contractions)
        {
            if (string.CompareOrdinal(text, i, contraction, 0, contraction.Length) == 0)
                return contraction.Length;
        }

        return 0;
    }

    enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    static Kind KindAt(string text, int i, out int length)
    {
        Rune rune = Rune.GetRuneAt(text, i);
        length = rune.Utf16SequenceLength;
        return Rune.IsWhiteSpace(rune) ? Kind.Space : Rune.IsLetter(rune) ? Kind.Letter : Rune.IsNumber(rune) ? Kind.Number : Kind.Other;
    }

    static char[] MakeAlphabet()
    {
        char[] letters = new char[256];
        char extra = '\u0100';
        for (int b = 0; b < 256; b++)
            letters[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : extra++;
        return letters;
    }
}
