using System.Text;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;

namespace IlgpuDiffusion.Personalization;

/// Prompts as texts that people type.
public static class Prompts
{
    const int LongestSlug = 40;

    /// Refuses a prompt that the text encoder would cut short: what was asked for at its end would be missing from the picture without a word.
    public static void Check(DiffusionModel model, string prompt)
    {
        int tokens = model.Tokenizer.Encode(prompt).Length, most = model.TextEncoder.Config.MaxPositionEmbeddings;
        if (tokens > most)
            throw new IlgdException($"the prompt \"{Start(prompt)}\" has {tokens} tokens with begin and end; this model reads {most}: shorten it");
    }

    /// One prompt a line; empty lines and lines that begin with # are left out.
    public static IReadOnlyList<string> Read(string path)
    {
        try
        {
            string[] prompts = [.. Lines(File.ReadLines(path))];
            return prompts.Length > 0 ? prompts : throw new IlgdException($"{path}: holds no prompt; write one a line");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    internal static IEnumerable<string> Lines(IEnumerable<string> lines) => lines.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#');

    /// A prompt as a part of a file name: `a [V] face in snow` is `a-v-face-in-snow`.
    public static string Slug(string prompt)
    {
        StringBuilder slug = new();
        foreach (char c in prompt)
        {
            if (slug.Length == LongestSlug)
                break;
            if (char.IsAsciiLetterOrDigit(c))
                slug.Append(char.ToLowerInvariant(c));
            else if (slug.Length > 0 && slug[^1] != '-')
                slug.Append('-');
        }

        string trimmed = slug.ToString().Trim('-');
        return trimmed.Length > 0 ? trimmed : "picture";
    }

    static string Start(string prompt) => prompt.Length <= LongestSlug ? prompt : $"{prompt.AsSpan(0, LongestSlug)}…";
}
