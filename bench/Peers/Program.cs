using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using IlgpuDiffusion;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Peers;
using IlgpuDiffusion.Peers.Cases;
using IlgpuDiffusion.Tensors;
using ConvAlgorithm = IlgpuDiffusion.Kernels.Common.ConvAlgorithm;

const string Usage = "usage: dotnet run -c Release --project bench/Peers -- [--filter NAME …] [--threads N] [--conv direct|f2|f4] [--json FILE] [--write-results] [--list]";

List<string> filters = [];
string? json = null, only = null;
int threads = Environment.ProcessorCount;
ConvAlgorithm conv = Device.DefaultConv;
bool writeResults = false, list = false;
for (int i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--filter" when i + 1 < args.Length:
            filters.Add(args[++i]);
            break;
        case "--threads" when i + 1 < args.Length && int.TryParse(args[i + 1], out threads) && threads > 0:
            i++;
            break;
        case "--json" when i + 1 < args.Length:
            json = args[++i];
            break;
        case "--conv" when i + 1 < args.Length && Enum.TryParse(args[i + 1], ignoreCase: true, out conv) && Enum.IsDefined(conv):
            i++;
            break;
        case "--write-results":
            writeResults = true;
            break;
        case CaseProcess.Option when i + 1 < args.Length:
            only = args[++i];
            break;
        case "--list":
            list = true;
            break;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}

// Every static class in Cases with a list of its own: a new one needs no word here.
PeerCase[] cases =
[
    .. typeof(PeerCase).Assembly.GetTypes().Where(t => t.Namespace == typeof(MatMulCases).Namespace).OrderBy(t => t.Name, StringComparer.Ordinal)
        .Select(t => t.GetProperty("All", BindingFlags.Static | BindingFlags.Public)).Where(all => all?.PropertyType == typeof(IEnumerable<PeerCase>))
        .SelectMany(all => (IEnumerable<PeerCase>)all!.GetValue(null)!).Where(c => only is null ? filters.Count == 0 || filters.Any(f => c.Title.Contains(f, StringComparison.OrdinalIgnoreCase)) : c.Title == only),
];
if (cases.Length == 0)
{
    Console.Error.WriteLine($"no case is named like {string.Join(", ", filters.Select(f => $"'{f}'"))}: --list shows them");
    return 2;
}

if (list)
{
    foreach (PeerCase c in cases)
        Console.WriteLine($"{c.Name,-22} {c.Shape}");
    return 0;
}

try
{
    if (only is not null)
    {
        CaseProcess.Report(cases.Single(), threads, conv);
        return 0;
    }

    Console.WriteLine($"{"case",-22} {"shape",-36} {"ours",12} {"libtorch",12} {"ratio",7} {"target",7}   us, medians of interleaved runs, {threads} threads, conv {conv.ToString().ToLowerInvariant()}");
    List<PeerRow> rows = [];
    int failed = 0;
    foreach (PeerCase of in cases)
    {
        PeerRow row;
        try
        {
            row = CaseProcess.Run(of, threads, conv);
        }
        catch (IlgdException e)
        {
            // What half an hour has measured is not lost for one case.
            Console.Error.WriteLine(e.Message);
            failed++;
            continue;
        }

        rows.Add(row);
        Console.WriteLine($"{row.Name,-22} {row.Shape,-36} {row.OursUs,12:0.0} {row.PeerUs,12:0.0} {row.Ratio,7:0.00} {row.Target,7:0.00}");
    }

    foreach (PeerRow row in rows.Where(r => r.Explanation is not null))
        Console.WriteLine(row.Explanation);

    if (json is not null)
    {
        JsonSerializerOptions options = new()
        {
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            WriteIndented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        AtomicFile.Write(json, stream => JsonSerializer.Serialize(stream, rows, options));
    }

    if (writeResults)
        ResultsSection.Write(rows, threads, conv, filters);
    return failed == 0 ? 0 : 1;
}
catch (IlgdException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
