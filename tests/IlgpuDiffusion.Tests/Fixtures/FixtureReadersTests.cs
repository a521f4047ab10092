namespace IlgpuDiffusion.Tests.Fixtures;

/// Golden numbers that no test looks at prove nothing: each file of the fixtures is named by a test, or its folder is where a test takes all that is in it.
[Trait("Category", "Fixtures")]
public sealed class FixtureReadersTests
{
    // Models, and families whose tests go through a list of verdicts that lies beside the files.
    static readonly string[] ReadWhole = ["images", "lora", "safetensors-malformed", "tiny-sd", "tiny-sd2", "clip", "text_encoder_noprefix", "text_encoder_position_ids", "unet_bf16", "unet_sharded", "vae_legacy_attention"];

    // Numbers about the fixtures.
    static readonly string[] Notes = ["README.md", "_tolerances/", "rng/verification.json"];

    [Fact]
    public void Every_file_has_a_test_that_reads_it()
    {
        string fixtures = Shared.Require("fixtures");
        if (Shared.Repository() is not { } root)
        {
            Assert.Skip("the tests' sources are not beside their program");
            return;
        }

        string tests = string.Concat(Directory.EnumerateFiles(Path.Combine(root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) != $"{nameof(FixtureReadersTests)}.cs").Select(File.ReadAllText));
        string[] files = [.. Directory.EnumerateFiles(fixtures, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(fixtures, file).Replace('\\', '/'))];
        Assert.NotEmpty(files);
        string[] unread = [.. files.Where(file => !Notes.Any(note => file.StartsWith(note, StringComparison.Ordinal)) && !IsRead(file, tests)).Order(StringComparer.Ordinal)];
        Assert.True(unread.Length == 0, $"no test reads {string.Join(", ", unread)}");
    }

    // By its name, by its name without ending in a list of cases, or with its folder.
    static bool IsRead(string file, string tests)
    {
        string name = Path.GetFileName(file);
        return Named(name) || Named(Path.GetFileNameWithoutExtension(name)) || file.Split('/')[..^1].Any(folder => ReadWhole.Contains(folder) && Named(folder));

        bool Named(string text) => tests.Contains($"\"{text}\"", StringComparison.Ordinal);
    }
}
