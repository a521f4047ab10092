using System.Diagnostics;
using System.Text.Json;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Tokenizer;

namespace IlgpuDiffusion.Tests.Tokenizer;

[Trait("Category", "Fixtures")]
public sealed class ClipTokenizerTests
{
    static ClipTokenizer Clip() => new(Shared.Require("fixtures", "tokenizer", "clip"));

    /// `ids` are those of transformers 5; `slow_ids`, where there, those of the older tokenizer with ftfy, which we do not follow.
    [Fact]
    public void Every_golden_string_has_the_ids_of_transformers_5()
    {
        ClipTokenizer tokenizer = Clip();
        using JsonDocument goldens = JsonDocument.Parse(File.ReadAllBytes(Shared.Require("fixtures", "tokenizer", "goldens.json")));
        List<string> wrong = [];
        int cases = 0;
        foreach (JsonElement c in goldens.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = c.GetProperty("text").GetString()!;
            int[] expected = [.. c.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())];
            int[] ids = tokenizer.Encode(text);
            if (!ids.SequenceEqual(expected))
                wrong.Add($"{c.GetProperty("category")} \"{text}\": {string.Join(' ', ids)}, expected {string.Join(' ', expected)}");
            int[] padded = [.. expected.Length <= 77 ? expected : [.. expected[..76], tokenizer.EosId], .. Enumerable.Repeat(tokenizer.PadId, Math.Max(0, 77 - expected.Length))];
            if (!tokenizer.EncodePadded(text).SequenceEqual(padded))
                wrong.Add($"\"{text}\": padding");
            cases++;
        }

        Assert.True(cases > 0);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases}:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void The_tiny_model_s_prompts_have_the_ids_of_its_goldens()
    {
        ClipTokenizer tokenizer = new(Shared.Require("fixtures", "tiny-sd", "tokenizer"));
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "forward.safetensors");
        long[] ids = file.Longs("text", "input_ids");
        string[] prompts = [.. file.Attributes("text").GetProperty("prompts").EnumerateArray().Select(p => p.GetString()!)];
        int length = ids.Length / prompts.Length;
        for (int i = 0; i < prompts.Length; i++)
            Assert.Equal(ids[(i * length)..((i + 1) * length)], tokenizer.EncodePadded(prompts[i], length).Select(id => (long)id));
    }

    [Theory]
    [InlineData("A photo of [V], 1024 x 768!", "a photo of [ v ], 1 0 2 4 x 7 6 8 !")]
    [InlineData("don't   stop\tthe CAFÉ", "don 't stop the café")]
    [InlineData("中文 😀", "中文 😀")]
    public void Decoding_gives_the_pieces_back(string text, string expected)
    {
        ClipTokenizer tokenizer = Clip();
        Assert.Equal(expected, tokenizer.Decode(tokenizer.EncodePadded(text)));
        Assert.StartsWith("<|startoftext|> ", tokenizer.Decode(tokenizer.Encode(text), keepSpecial: true));
    }

    [Fact]
    public void Long_prompts_are_fast_and_keep_their_end_token()
    {
        ClipTokenizer tokenizer = Clip();
        Stopwatch watch = Stopwatch.StartNew();
        foreach (string text in (string[])[new string('a', 10_000), string.Concat(Enumerable.Repeat("portrait of a person, ", 500)), new string('\u0301', 10_000)])
        {
            int[] ids = tokenizer.EncodePadded(text);
            Assert.Equal(77, ids.Length);
            Assert.Equal(tokenizer.EosId, ids[^1]);
            Assert.NotEqual(tokenizer.EosId, ids[^2]);
        }

        Assert.True(watch.ElapsedMilliseconds < 2000, $"{watch.ElapsedMilliseconds} ms");
    }

    [Fact]
    public void An_added_token_is_one_id_wherever_it_stands()
    {
        ClipTokenizer tokenizer = Clip();
        int size = tokenizer.Size;
        Assert.Equal(size, tokenizer.AddToken("<face>"));
        Assert.Equal(size + 1, tokenizer.AddToken("<face>2"));
        Assert.Equal([.. tokenizer.EncodeText("a"), size, .. tokenizer.EncodeText("b"), size + 1], tokenizer.EncodeText("a <face>b<face>2"));
        Assert.DoesNotContain(size, tokenizer.EncodeText("<FACE>"));
        Assert.Equal("a <face>", tokenizer.Decode(tokenizer.Encode("a <face>")));
        Assert.Contains("already", Assert.Throws<IlgdException>(() => tokenizer.AddToken("<face>")).Message);
        Assert.Contains("no token has the id 60000", Assert.Throws<IlgdException>(() => tokenizer.Decode([60_000])).Message);
    }
}

public sealed class ClipTokenizerFileTests : IDisposable
{
    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ilgd-tokenizer-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("[]", "a b", "expected a JSON object")]
    [InlineData("{\"a\": -1}", "", "\"a\": -1 is not a token id")]
    [InlineData("{\"a\": 0", "", "not valid JSON")]
    [InlineData("{\"a\": 0, \"b\": 1}", "#version: 0.2\na b\n", "line 2: \"a b\" is not a pair")]
    [InlineData("{\"a\": 0, \"b\": 1}", "", "special token \"<|startoftext|>\" is not in vocab.json")]
    public void A_broken_folder_is_refused_by_file_and_line(string vocabulary, string merges, string message)
    {
        File.WriteAllText(Path.Combine(folder.FullName, "vocab.json"), vocabulary);
        File.WriteAllText(Path.Combine(folder.FullName, "merges.txt"), merges);
        IlgdException e = Assert.Throws<IlgdException>(() => new ClipTokenizer(folder.FullName));
        Assert.Contains(folder.FullName, e.Message);
        Assert.Contains(message, e.Message);
    }

    [Fact]
    public void A_missing_folder_is_named() =>
        Assert.Contains("vocab.json: cannot be read", Assert.Throws<IlgdException>(() => new ClipTokenizer(Path.Combine(folder.FullName, "none"))).Message);
}
