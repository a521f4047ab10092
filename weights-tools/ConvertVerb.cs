using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools convert`
sealed class ConvertVerb : Verb
{
    const string Folder = "folder", SingleFileName = "single-file";

    readonly Argument<string> input;
    readonly Argument<string> target;
    readonly Option<string> to;
    readonly StorageOption storage;
    readonly Option<string?> variant;
    readonly Option<string?> config;
    readonly Option<string?> model;
    readonly Option<bool> noMetadata;

    public ConvertVerb()
        : base(
            "convert",
            "Write an adapter in another program's dialect, to the same ΔW bit for bit or not at all; a model as a folder or as one file.",
            """
            weights-tools convert out/adapter.safetensors me-diffusers.safetensors --to diffusers
            weights-tools convert downloaded.safetensors peft-folder --to peft
            weights-tools convert v1-5-pruned.safetensors sd15 --to folder --model-config other-sd15 --dtype fp16
            weights-tools convert weights-tools/face-mini face-mini.safetensors --to single-file
            """)
    {
        input = Argument("INPUT", "An adapter (file or folder), textual inversion, model folder or single-file checkpoint.");
        target = Argument("OUTPUT", "Where to write; a folder for --to peft and --to folder.");
        to = Option<string>("--to", "What to write.");
        to.Required = true;
        to.AcceptOnlyFromAmong([.. AdapterDialect.All.Select(d => d.Name), Folder, SingleFileName]);
        storage = new StorageOption(this, "an adapter's own; fp32 for models");
        variant = Option<string?>("--variant", "Read a model folder's files of this variant.", "fp16");
        config = Option<string?>("--model-config", "For a single-file checkpoint: a model folder to take configs and tokenizer from.", "DIR");
        model = Option<string?>("--model", "For compact LiDB: the model that it was learned on.", "DIR");
        noMetadata = Option<bool>("--no-metadata", "Carry nothing over from the header: only what readers need is written.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        (string from, string place, string kind) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(target), parsed.GetRequiredValue(to));
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (Path.GetFullPath(from) == Path.GetFullPath(place))
            throw new IlgdException($"{place}: is the input; write to another place");
        bool isModel = PathKind.IsModel(from);
        if (isModel != kind is Folder or SingleFileName)
            throw new IlgdException($"{from}: {(isModel ? $"a model is written --to {Folder} or {SingleFileName}" : "an adapter is written in an adapter's dialect")}, not {kind}");
        if (isModel)
            Model(parsed, from, place, kind);
        else if (TextualInversion.Is(from))
            Words(from, place, kind);
        else
            return Adapter(parsed, from, place, AdapterDialect.ByName(kind), output);
        output.WriteLine(place);
        return 0;
    }

    void Model(ParseResult parsed, string from, string place, string kind)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(from, device, parsed.GetValue(variant), parsed.GetValue(config));
        SafetensorsDType dtype = storage.Of(parsed) ?? SafetensorsDType.F32;
        if (kind == Folder)
            ModelFolder.Save(loaded, place, dtype);
        else
            SingleFile.Save(loaded, place, dtype);
    }

    static void Words(string from, string place, string kind)
    {
        if (kind != AdapterDialect.Kohya.Name && kind != AdapterDialect.Diffusers.Name)
            throw new IlgdException($"{from}: textual inversion is written --to {AdapterDialect.Diffusers.Name} or {AdapterDialect.Kohya.Name}, not {kind}");
        TextualInversion.Load(from).Save(place, kohya: kind == AdapterDialect.Kohya.Name);
    }

    int Adapter(ParseResult parsed, string from, string place, AdapterDialect dialect, TextWriter output)
    {
        AdapterFile file = PathKind.ReadAdapter(from, parsed.GetValue(model));
        AdapterWriter.Write(place, dialect, file.Modules, parsed.GetValue(noMetadata) ? [] : file.Metadata.Select(m => (m.Key, m.Value)), storage.Of(parsed));

        // What a reader of the dialect makes of it, not what was meant.
        Dictionary<string, AdapterModule> back = AdapterFile.Read(place).Modules.ToDictionary(m => m.Path);
        int found = 0, equal = 0;
        foreach (AdapterModule module in file.Modules)
        {
            if (!back.TryGetValue(module.Path, out AdapterModule? read))
                continue;
            found++;
            equal += module.Delta().AsSpan().SequenceEqual(read.Delta()) ? 1 : 0;
        }

        if (found != file.Modules.Count || back.Count != found || (equal != found && storage.Of(parsed) is null))
            throw new IlgdException($"{place}: read back, {found} of {file.Modules.Count} modules are there and {equal} give the same ΔW: please report this file");
        output.WriteLine($"{place}: {dialect.Name}, {found} of {file.Modules.Count} modules read back, ΔW the same bit for bit in {equal}");
        return 0;
    }
}
