using System.Text.RegularExpressions;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.Evaluation;

/// A study of pictures of one colour each: of method "magic-one" red, of "magic-two" green, and a shade for each person and prompt.
sealed partial class StudyCase
{
    public const string First = "magic-one", Second = "magic-two";

    static readonly string[] Names = ["people/anna", "people/ben", "people/cleo", "people/dan"], PromptTexts = ["a [V] face", "a [V] face in <snow>", "a [V] face smiling"];

    public StudyCase(ulong seed = 3, int pairs = 7)
    {
        StudySettings settings = new(First, Second) { Pairs = pairs, Seed = seed };
        IReadOnlyList<StudyPair> drawn = StudyPair.Draw(Names.Length, PromptTexts.Length, pairs, seed);
        Shown = [.. drawn.Select(p => new ShownPair(
            Png(0, 0, Shade(p)), PromptTexts[p.Prompt].Replace("[V] ", "", StringComparison.Ordinal), p.FirstIsLeft ? Png(Shade(p), 0, 0) : Png(0, Shade(p), 0), p.FirstIsLeft ? Png(0, Shade(p), 0) : Png(Shade(p), 0, 0)))];
        Page = StudyPage.Build(Shown);
        Key = StudyKey.Of(StudyPage.IdOf(Shown), settings, drawn, Names, PromptTexts);
    }

    public IReadOnlyList<ShownPair> Shown { get; }

    public string Page { get; }

    public StudyKey Key { get; }

    /// What a rater who decides by the question alone has saved.
    public StudyAnswers By(string rater, Func<StudyQuestion, StudyChoice> choice) =>
        new() { Study = Key.Study, Rater = rater, Answers = Key.Questions.ToDictionary(q => q.Id, choice), Source = $"answers-{rater}.json" };

    /// The pictures of a page in its order, three a pair: photo, left, right.
    public static RgbImage[] Pictures(string page) => [.. Data().Matches(page).Select(m => Decode(Convert.FromBase64String(m.Groups[1].Value)))];

    public static string WithoutPictures(string page) => Data().Replace(page, "");

    static RgbImage Decode(byte[] png)
    {
        string path = Path.Combine(Path.GetTempPath(), $"ilgd-tests-{Guid.NewGuid():N}.png");
        File.WriteAllBytes(path, png);
        try
        {
            return ImageFile.Load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    static int Shade(StudyPair pair) => 100 + (10 * pair.Person) + pair.Prompt;

    static byte[] Png(int red, int green, int blue) =>
        ImageFile.EncodePng(new RgbImage(4, 4, [.. Enumerable.Range(0, 16).SelectMany(_ => new[] { (byte)red, (byte)green, (byte)blue })]));

    [GeneratedRegex("data:image/png;base64,([A-Za-z0-9+/=]+)")]
    private static partial Regex Data();
}
