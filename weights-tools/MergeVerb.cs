using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools merge`
sealed class MergeVerb : Verb
{
    readonly Argument<string> model;
    readonly Option<AdapterUse[]> adapters;
    readonly Option<string> outFolder;
    readonly StorageOption storage;

    public MergeVerb()
        : base(
            "merge",
            "Add adapters into a model's weights, W + Σ strength · ΔW, and write the model.",
            "weights-tools merge weights-tools/face-mini --adapter out/adapter.safetensors:0.8 --out merged")
    {
        model = Argument("MODEL", "A model folder.");
        adapters = Option<AdapterUse[]>("--adapter", "A LoRA or LiDB, with its strength after a colon. May be given several times.", "PATH[:WEIGHT]");
        adapters.CustomParser = AdapterText.Parse;
        adapters.Required = true;
        outFolder = Option<string>("--out", "Folder for the model.", "DIR");
        outFolder.Required = true;
        storage = new StorageOption(this, "fp32");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string folder = parsed.GetRequiredValue(model), place = parsed.GetRequiredValue(outFolder);
        if (Path.GetFullPath(folder) == Path.GetFullPath(place))
            throw new IlgdException($"{place}: is the model itself; write to another folder");
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(folder, device);
        using Fold fold = new(loaded);
        foreach (AdapterUse use in parsed.GetRequiredValue(adapters))
        {
            AdapterFile file = AdapterFile.Load(use.Path, loaded);
            fold.Add(file, use.Weight);
            parsed.InvocationConfiguration.Output.WriteLine($"{use.Path}: {file.Dialect}, {file.Modules.Count} of {file.Modules.Count} modules matched, strength {use.Weight}");
        }

        ModelFolder.Save(loaded, place, storage.Of(parsed) ?? SafetensorsDType.F32);
        parsed.InvocationConfiguration.Output.WriteLine(place);
        return 0;
    }
}
