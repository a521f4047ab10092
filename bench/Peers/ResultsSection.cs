using System.Text;
using IlgpuDiffusion.Bench;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Peers;

/// The table of ratios in bench/Results.md, a section for each number of threads.
static class ResultsSection
{
    public static void Write(IReadOnlyList<PeerRow> rows, int threads, ConvAlgorithm conv, IReadOnlyList<string> filters) => MarkedSection.Write(
        $"peers, --threads {threads}",
        "bench/Peers",
        $"CPU against libtorch, {threads} thread{(threads == 1 ? "" : "s")}",
        "dotnet run -c Release --project bench/Peers -- " + string.Concat(filters.Select(f => $"--filter \"{f}\" ")) + $"--threads {threads} --conv {conv.ToString().ToLowerInvariant()} --write-results",
        [
            $"peer: TorchSharp {typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3)} (libtorch, its own defaults), both sides at --threads {threads}",
            "runs alternate; median of 11 samples ± half the distance between the quartiles; warm-up and compilation are not in them; every case has a process of its own, in which glibc keeps its pages",
            "ratio = libtorch / ours: above 1 we are faster",
        ],
        Table(rows));

    static string Table(IReadOnlyList<PeerRow> rows)
    {
        StringBuilder text = new("| case | shape | ours, µs | libtorch, µs | ratio | target |\n|---|---|---:|---:|---:|---:|\n");
        foreach (PeerRow r in rows)
            text.Append($"| {r.Name} | {r.Shape} | {r.OursUs:0.0} ± {r.OursSpreadUs:0.0} | {r.PeerUs:0.0} ± {r.PeerSpreadUs:0.0} | {r.Ratio:0.00} | {r.Target:0.0} |\n");
        string?[] missed = [.. rows.Select(r => r.Explanation).OfType<string>()];
        if (missed.Length > 0)
            text.Append("\nBelow target. Work is counted as the formulas are written, each operand read and each result written once (kernels/Common/Work.cs); the roof is that of two loops in the same process and at the same threads (kernels/Common/Roof.cs). An operation whose data lie in the caches, or Winograd's convolution, may exceed it.\n\n");
        foreach (string? line in missed)
            text.Append($"- {line}\n");
        return text.ToString();
    }
}
