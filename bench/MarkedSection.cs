using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Bench;

/// The part of bench/Results.md between two marks that name the program: rewritten by each run with --write-results, everything around it stays. Compiled into each program that has one.
static class MarkedSection
{
    /// `mark`: what stands in the marks   `program`: who writes it   `title`: the section's   `command`: how to do it again   `notes`: a line each
    /// `body`: what follows the lines on machine, command and commit
    public static void Write(string mark, string program, string title, string command, IReadOnlyList<string> notes, string body)
    {
        string root = Root(), path = Path.Combine(root, "bench", "Results.md");
        string first = $"<!-- {mark}: begin (written by {program} --write-results) -->", last = $"<!-- {mark}: end -->";
        string text = File.Exists(path) ? File.ReadAllText(path) : "# Results\n";
        if (!text.Contains(first, StringComparison.Ordinal))
            text += $"\n{first}\n{last}\n";
        int begin = text.IndexOf(first, StringComparison.Ordinal), end = text.IndexOf(last, StringComparison.Ordinal);
        if (end < begin)
            throw new IlgdException($"{path}: the mark \"{last}\" does not come after \"{first}\": put it where the table ends");
        StringBuilder section = new($"\n## {title}\n\n");
        section.Append($"- machine: {Cpu()}, {Environment.ProcessorCount} logical cores, {RuntimeInformation.OSDescription}, .NET {Environment.Version}\n");
        section.Append($"- command: `{command}`\n");
        section.Append($"- commit: {Git(root, "rev-parse --short HEAD")}{(Git(root, "status --porcelain -uno").Length > 0 ? " with changes" : "")}, {DateTime.UtcNow:yyyy-MM-dd}\n");
        foreach (string note in notes)
            section.Append($"- {note}\n");
        section.Append($"\n{body}");
        string changed = string.Concat(text.AsSpan(0, begin + first.Length), section.ToString(), text.AsSpan(end));
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(changed)));
        Console.WriteLine($"wrote {path}");
    }

    // The folder that holds the solution, upwards from the current one: `dotnet run` starts the program where the user stands.
    static string Root()
    {
        for (DirectoryInfo? folder = new(Directory.GetCurrentDirectory()); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "IlgpuDiffusion.sln")))
                return folder.FullName;
        }

        throw new IlgdException("IlgpuDiffusion.sln is in no folder above the current one: run --write-results inside the repository");
    }

    static string Cpu()
    {
        const string info = "/proc/cpuinfo";
        string? line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }

    static string Git(string root, string arguments)
    {
        using Process git = Process.Start(new ProcessStartInfo("git", arguments) { WorkingDirectory = root, RedirectStandardOutput = true })!;
        string output = git.StandardOutput.ReadToEnd().Trim();
        git.WaitForExit();
        return output;
    }
}
