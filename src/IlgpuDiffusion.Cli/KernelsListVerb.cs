using System.CommandLine;
using System.Text.Json;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Cli;

/// `ilgd kernels list`
sealed class KernelsListVerb : Verb
{
    static readonly JsonSerializerOptions Layout = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    readonly Option<bool> json;

    public KernelsListVerb()
        : base(
            "list",
            "List the kernels: name, version, devices, file.",
            """
            ilgd kernels list
            ilgd kernels list --json
            """) => json = Option<bool>("--json", "One JSON object a kernel.");

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(json))
        {
            output.WriteLine(JsonSerializer.Serialize(KernelCatalog.All.Select(k => new { k.Name, k.Version, k.Devices, k.File }), Layout));
            return 0;
        }

        int width = KernelCatalog.All.Max(k => k.Name.Length);
        foreach (KernelEntry kernel in KernelCatalog.All)
            output.WriteLine($"{kernel.Name.PadRight(width)}  {kernel.Version,-10}  {string.Join(' ', kernel.Devices),-28}  {kernel.File}");
        return 0;
    }
}
