using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Peers;

/// The section of bench/Results.md between two marks, one for each number of threads: rewritten by each run with --write-results, everything around it stays.
static class ResultsSection
{
    public static void Write(IReadOnlyList<PeerRow> rows, int threads, ConvAlgorithm conv, IReadOnlyList<string> filters)
    {
        string root = Root(), path = Path.Combine(root, "bench", "Results.md");
        string first = $"<!-- peers, --threads {threads}: begin (written by bench/Peers --write-results) -->", last = $"<!-- peers, --threads {threads}: end -->";
        string text = File.Exists(path) ? File.ReadAllText(path) : "# Results\n";
        if (!text.Contains(first, StringComparison.Ordinal))
            text += $"\n{first}\n{last}\n";
        int begin = text.IndexOf(first, StringComparison.Ordinal), end = text.IndexOf(last, StringComparison.Ordinal);
        if (end < begin)
            throw new IlgdException($"{path}: the mark \"{last}\" does not come after \"{first}\": put it where the table ends");
        string changed = string.Concat(text.AsSpan(0, begin + first.Length), "\n", Section(rows, threads, conv, filters, root), text.AsSpan(end));
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(changed)));
        Console.WriteLine($"wrote {path}");
    }

    static string Section(IReadOnlyList<PeerRow> rows, int threads, ConvAlgorithm conv, IReadOnlyList<string> filters, string root)
    {
        StringBuilder text = new();
        string command = "dotnet run -c Release --project bench/Peers -- " + string.Concat(filters.Select(f => $"--filter \"{f}\" ")) + $"--threads {threads} --conv {conv.ToString().ToLowerInvariant()} --write-results";
        text.Append($"## CPU against libtorch, {threads} thread{(threads == 1 ? "" : "s")}\n\n");
        text.Append($"- machine: {Cpu()}, {Environment.ProcessorCount} logical cores, {RuntimeInformation.OSDescription}, .NET {Environment.Version}\n");
        text.Append($"- peer: TorchSharp {typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3)} (libtorch, its own defaults), both sides at --threads {threads}\n");
        text.Append($"- command: `{command}`\n");
        text.Append($"- commit: {Git(root, "rev-parse --short HEAD")}{(Git(root, "status --porcelain -uno").Length > 0 ? " with changes" : "")}, {DateTime.UtcNow:yyyy-MM-dd}\n");
        text.Append("- runs alternate; median of 11 samples ± half the distance between the quartiles; warm-up and compilation are not in them; every case has a process of its own, in which glibc keeps its pages\n");
        text.Append("- ratio = libtorch / ours: above 1 we are faster\n\n");
        text.Append("| case | shape | ours, µs | libtorch, µs | ratio | target |\n|---|---|---:|---:|---:|---:|\n");
        foreach (PeerRow r in rows)
            text.Append($"| {r.Name} | {r.Shape} | {r.OursUs:0.0} ± {r.OursSpreadUs:0.0} | {r.PeerUs:0.0} ± {r.PeerSpreadUs:0.0} | {r.Ratio:0.00} | {r.Target:0.0} |\n");
        string?[] missed = [.. rows.Select(r => r.Explanation).OfType<string>()];
        if (missed.Length > 0)
            text.Append("\nBelow target. Work is counted as the formulas are written, each operand read and each result written once (kernels/Common/Work.cs); the roof is that of two loops in the same process and at the same threads (kernels/Common/Roof.cs). An operation whose data lie in the caches, or Winograd's convolution, may exceed it.\n\n");
        foreach (string? line in missed)
            text.Append($"- {line}\n");
        return text.ToString();
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
