using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Kernels.Common;

/// Where variables are swapped, `(a, b) = (b, a)` in a loop, ILGPU 1.5.3 copies a to a temporary before it overwrites it. In OpenCL C it then goes on to read the temporary for a in other blocks as
/// well, where a has long been something else (its dictionary outlives the block: m4rs-mt/ILGPU issue 1539; the PTX generator clears it). So a temporary is read in the block that wrote it alone, and
/// elsewhere the variable that it is a copy of.
internal static partial class StalePhis
{
    public static string Repaired(string source)
    {
        string[] lines = source.Split('\n');
        Dictionary<string, string> copied = Temporaries(lines);
        HashSet<string> written = [];
        for (int i = 0; i < lines.Length; i++)
        {
            if (Label().IsMatch(lines[i]))
                written.Clear();
            if (Move().Match(lines[i]) is not { Success: true } move)
                continue;
            (string target, string from) = (move.Groups[1].Value, move.Groups[2].Value);
            if (copied.ContainsKey(target))
                written.Add(target);
            else if (copied.TryGetValue(from, out string? variable) && !written.Contains(from))
                lines[i] = $"\t{target} = {variable};";
        }

        return string.Join('\n', lines);
    }

    // `t = a; a = …;` with t a number that nothing before it reached: ILGPU numbers variables as it writes, but those that several blocks write to, like a, first of all.
    static Dictionary<string, string> Temporaries(string[] lines)
    {
        Dictionary<string, string> copied = [];
        int last = 0;
        for (int i = 0; i + 1 < lines.Length; i++)
        {
            if (Target().Match(lines[i]) is not { Success: true } target)
                continue;
            if (int.Parse(target.Groups[1].ValueSpan) <= last)
                continue;
            last = int.Parse(target.Groups[1].ValueSpan);
            if (Move().Match(lines[i]) is { Success: true } move && Target().Match(lines[i + 1]) is { Success: true } next && $"var{next.Groups[1].Value}" == move.Groups[2].Value)
                copied.Add(move.Groups[1].Value, move.Groups[2].Value);
        }

        return copied;
    }

    [GeneratedRegex(@"^\s*L_\d+:")]
    private static partial Regex Label();

    [GeneratedRegex(@"^\s*var(\d+) = ")]
    private static partial Regex Target();

    [GeneratedRegex(@"^\s*(var\d+) = (var\d+);\s*$")]
    private static partial Regex Move();
}
