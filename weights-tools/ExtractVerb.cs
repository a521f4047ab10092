using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools extract`
sealed class ExtractVerb : Verb
{
    readonly Argument<string> original;
    readonly Argument<string> tuned;
    readonly Option<int> rank;
    readonly Option<string> outFile;
    readonly StorageOption storage;

    public ExtractVerb()
        : base(
            "extract",
            "Make a LoRA of what a finetuning changed: the truncated singular value decomposition of every attention and GEGLU layer's change.",
            "weights-tools extract weights-tools/face-mini out/model --rank 8 --out me.safetensors")
    {
        original = Argument("BASE", "The model folder that was finetuned.");
        tuned = Argument("TUNED", "The finetuned one.");
        rank = Number("--rank", "Of every module, at most.", 1, 1024, 16);
        outFile = Option<string>("--out", "The LoRA, in kohya's dialect.", "FILE");
        outFile.Required = true;
        storage = new StorageOption(this, "fp32");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel before = ModelFolder.Load(parsed.GetRequiredValue(original), device), after = ModelFolder.Load(parsed.GetRequiredValue(tuned), device);
        (IReadOnlyList<AdapterModule> modules, double lost) = LoraExtraction.Extract(before, after, parsed.GetRequiredValue(rank));
        string place = parsed.GetRequiredValue(outFile);
        AdapterWriter.Write(place, AdapterDialect.Kohya, modules, [], storage.Of(parsed));
        parsed.InvocationConfiguration.Output.WriteLine($"{place}: {modules.Count} modules of rank {parsed.GetRequiredValue(rank)}, which leaves out {lost:0.00%} of what these layers changed");
        return 0;
    }
}
