using System.CommandLine;
using ILGPU.Runtime.Cuda;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Cli;

/// `ilgd kernels dump NAME`
sealed class KernelsDumpVerb : Verb
{
    readonly Argument<string> name;
    readonly Option<string?> version;
    readonly Option<string> target;
    readonly Option<int> specialize;

    public KernelsDumpVerb()
        : base(
            "dump",
            "Print the text that a device would get of a kernel. No driver is needed. ILGPU writes `.target sm_80` for every chip from Ampere on.",
            """
            ilgd kernels dump MatMul.Forward --version V2
            ilgd kernels dump LayerNorm.Forward --target opencl
            ilgd kernels dump "Attention.Forward<Head64>" --version TensorCore --specialize 128
            ilgd kernels dump "Unary.Forward<Silu>"
            """)
    {
        name = Argument("NAME", "A kernel's name as `ilgd kernels list` prints it.");
        version = Option<string?>("--version", "Its version, where there are several.", "V");
        target = Option<string>("--target", "sm_80, sm_90 or opencl.");
        target.DefaultValueFactory = _ => "sm_90";
        target.AcceptOnlyFromAmong("sm_80", "sm_90", "opencl");
        specialize = Number("--specialize", "PTX for groups of at most so many threads (.maxntid). [default: any that the chip allows]", 1, PtxSimulator.MaxThreads);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        KernelEntry kernel = Find(parsed.GetValue(name)!, parsed.GetValue(version));
        string chosen = parsed.GetValue(target)!;
        if (!kernel.Devices.Contains(chosen == "opencl" ? "opencl" : "cuda"))
            throw new IlgdException($"{kernel.Name} {kernel.Version} does not run on {chosen}: it is for {string.Join(" and ", kernel.Devices)}");
        int? threads = parsed.GetResult(specialize) is null ? null : parsed.GetValue(specialize);
        if (threads is not null && chosen == "opencl")
            throw new IlgdException("--specialize is for PTX: OpenCL C has no such mark");
        parsed.InvocationConfiguration.Output.Write(Text(kernel, chosen, threads));
        return 0;
    }

    static string Text(KernelEntry kernel, string target, int? threads)
    {
        if (target == "opencl")
        {
            using OpenClCompiler openCl = new();
            return openCl.Text(kernel.Method);
        }

        using PtxCompiler ptx = new(target == "sm_80" ? CudaArchitecture.SM_80 : CudaArchitecture.SM_90);
        return ptx.Text(kernel.Method, threads);
    }

    static KernelEntry Find(string name, string? version)
    {
        KernelEntry[] named = [.. KernelCatalog.All.Where(k => k.Name == name)];
        if (named.Length == 0)
        {
            string[] near = [.. KernelCatalog.All.Where(k => k.Name.StartsWith(name, StringComparison.OrdinalIgnoreCase)).Select(k => k.Name).Distinct().Take(6)];
            throw new IlgdException($"no kernel is named '{name}': {(near.Length > 0 ? $"there is {string.Join(", ", near)}" : "see ilgd kernels list")}");
        }

        KernelEntry[] chosen = version is null ? named : [.. named.Where(k => k.Version == version)];
        return chosen.Length == 1
            ? chosen[0]
            : throw new IlgdException($"{name} has the versions {string.Join(", ", named.Select(k => k.Version))}: choose one with --version");
    }
}
