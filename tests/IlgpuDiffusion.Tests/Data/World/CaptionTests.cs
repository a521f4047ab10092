using System.Text.Json;
using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Tests.Data.World;

public class CaptionTests
{
    static IEnumerable<string> Sampled(int count)
    {
        for (int i = 0; i < count; i++)
        {
            WorldRandom rng = WorldRandom.Stream(i, 100);
            FaceContext context = FaceContext.Sample(rng);
            yield return i % 3 < 2
                ? Captions.For(FaceIdentity.Sample(i), context, rng)
                : Captions.ForPhoto(rng.Pick<bool?>(true, false, null), rng.Pick<Expression?>(Expression.Smiling, Expression.Neutral, null), context, rng);
        }
    }

    [Fact]
    public void Captions_have_no_unknown_word_fit_the_model_and_never_name_the_identifier()
    {
        foreach (string caption in Sampled(3000))
        {
            string[] words = [.. WordVocabulary.Split(caption)];
            Assert.InRange(words.Length, 1, Captions.MaxWords);
            Assert.All(words, word => Assert.Contains(word, Captions.Words));
            Assert.DoesNotContain(Captions.Identifier, words);
            Assert.DoesNotContain("  ", caption);
            Assert.Equal(caption.Trim(), caption);
        }
    }

    [Fact]
    public void A_judge_chooses_among_captions_that_say_all_of_a_context()
    {
        Assert.Equal("a face", Captions.Of(new FaceContext()));
        Assert.Equal("a watercolor painting of a face", Captions.Of(new FaceContext(Style: Style.Watercolor)));
        Assert.Equal(
            "a stone carving of a face sad wearing glasses in a city at night", Captions.Of(new FaceContext(Expression.Sad, Accessory.Glasses, Background.City, Style.Stone)));
    }

    [Fact]
    public void Every_word_of_the_vocabulary_is_taught()
    {
        HashSet<string> seen = [.. Sampled(6000).SelectMany(WordVocabulary.Split)];
        Assert.Empty(Captions.Words.Except(seen));
    }

    [Theory]
    [InlineData("a sks face")]
    [InlineData("a sks face smiling")]
    [InlineData("a smiling sks face")]
    [InlineData("a sks face wearing a red hat")]
    [InlineData("a sks face wearing glasses on a beach")]
    [InlineData("a photo of a sks face wearing a blue scarf in snow")]
    [InlineData("a pencil sketch of a sks face in a city at night")]
    [InlineData("pixel art of a sks woman's face in a forest")]
    [InlineData("An impressionist painting of a sks man, black and white")]
    public void Prompts_that_a_user_wants_are_made_of_known_words(string prompt)
    {
        int[] tokens = WordVocabulary.FaceMini.Encode(prompt);
        Assert.Equal(Captions.MaxTokens, tokens.Length);
        Assert.Equal(WordVocabulary.FaceMini.BeginId, tokens[0]);
        Assert.Equal(WordVocabulary.FaceMini.EndId, tokens[^1]);
    }

    [Fact]
    public void An_unknown_word_is_refused_by_name() =>
        Assert.Contains("zeppelin", Assert.Throws<IlgdException>(() => WordVocabulary.FaceMini.Encode("a zeppelin")).Message);

    [Fact]
    public void The_written_files_give_a_plain_clip_encoder_one_token_for_each_word()
    {
        string folder = Directory.CreateTempSubdirectory("ilgd-words").FullName;
        try
        {
            WordVocabulary words = WordVocabulary.FaceMini;
            words.Save(folder);
            Dictionary<string, int> vocab = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(Path.Combine(folder, "vocab.json")))!;
            string[] lines = File.ReadAllLines(Path.Combine(folder, "merges.txt"));
            Dictionary<(string, string), int> ranks = lines.Skip(1).Index().ToDictionary(l => (l.Item.Split(' ')[0], l.Item.Split(' ')[1]), l => l.Index);

            Assert.StartsWith("#version", lines[0]);
            Assert.Equal(Enumerable.Range(0, vocab.Count), vocab.Values.Order());
            Assert.Equal(512 + ranks.Count + 2, vocab.Count);
            Assert.Equal(words.Count, vocab.Count);
            Assert.Equal(vocab.Count - 2, vocab["<|startoftext|>"]);
            Assert.Equal(vocab.Count - 1, vocab["<|endoftext|>"]);
            foreach (string word in words.Words) Assert.Equal([words[word]], Encode(word, ranks).Select(piece => vocab[piece]));
            // an unknown word is spelled out, never an error
            Assert.All(Encode("zeppelin", ranks), piece => Assert.Contains(piece, vocab.Keys));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// The textbook byte-pair encoder, for ASCII words: always merge the pair of the lowest rank.
    static List<string> Encode(string word, Dictionary<(string, string), int> ranks)
    {
        List<string> pieces = [.. word.Select(c => c.ToString())];
        pieces[^1] += "</w>";
        while (true)
        {
            int best = int.MaxValue, at = -1;
            for (int i = 0; i + 1 < pieces.Count; i++)
                if (ranks.TryGetValue((pieces[i], pieces[i + 1]), out int rank) && rank < best) (best, at) = (rank, i);
            if (at < 0) return pieces;
            pieces[at] += pieces[at + 1];
            pieces.RemoveAt(at + 1);
        }
    }
}
