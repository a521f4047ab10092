using System.CommandLine;
using System.Text.Json;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Cli;

/// `ilgd kernels list`
sealed class KernelsListVerb : Verb
{
    static readonly JsonSerializerOptions Layout = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    readonly Option<bool> json;

    public KernelsListVerb()
        : base(
            "list",
            "List the kernels: name, version, devices, file, and how `ilgd kernels run` reaches it.",
            """
            ilgd kernels list
            ilgd kernels list --json
            """) => json = Option<bool>("--json", "One JSON object a kernel.");

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(json))
        {
            output.WriteLine(JsonSerializer.Serialize(KernelCatalog.All.Select(k => new { k.Name, k.Version, k.Devices, k.File, Run = Run(k) }), Layout));
            return 0;
        }

        int width = KernelCatalog.All.Max(k => k.Name.Length);
        foreach (KernelEntry kernel in KernelCatalog.All)
            output.WriteLine($"{kernel.Name.PadRight(width)}  {kernel.Version,-10}  {string.Join(' ', kernel.Devices),-28}  {kernel.File,-46}  {Run(kernel)}");
        return 0;
    }

    // How `kernels run` gets at it.
    static string Run(KernelEntry kernel) => TrialCatalog.Of(kernel) is not { } trial ? $"not run: {KernelRun.WhyNot}"
        : trial.Name == kernel.Name ? "run by its name"
        : $"run in {trial.Name}{(trial.Version.Length > 0 ? $" {trial.Version}" : "")}";
}
