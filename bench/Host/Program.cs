using System.Text;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using IlgpuDiffusion.Bench;

// dotnet run -c Release --project bench/Host -- --filter '*' [--write-results]
// In this process: BenchmarkDotNet's own projects would build everything once more.
const string WriteResults = "--write-results";
string[] own = [.. args.Where(a => a != WriteResults)];
BenchmarkReport[] reports =
[
    .. BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly)
        .Run(own, DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)))
        .SelectMany(summary => summary.Reports).Where(report => report.ResultStatistics is not null),
];
if (args.Contains(WriteResults) && reports.Length > 0)
{
    StringBuilder table = new("| benchmark | parameters | ns | allocated, bytes |\n|---|---|---:|---:|\n");
    foreach (BenchmarkReport report in reports)
    {
        BenchmarkCase of = report.BenchmarkCase;
        table.Append($"| {of.Descriptor.Type.Name}.{of.Descriptor.WorkloadMethod.Name} | {of.Parameters.PrintInfo} | {report.ResultStatistics!.Mean:N0} ± {report.ResultStatistics.StandardError:N0} ");
        table.Append($"| {report.GcStats.GetBytesAllocatedPerOperation(of):N0} |\n");
    }

    MarkedSection.Write(
        "host",
        "bench/Host",
        "Host-side costs",
        $"dotnet run -c Release --project bench/Host -- {string.Join(' ', own.Select(a => $"'{a}'"))} {WriteResults}",
        ["BenchmarkDotNet, short run: mean of three iterations ± its standard error; a line in `bench/Host` says what each does"],
        table.ToString());
}
