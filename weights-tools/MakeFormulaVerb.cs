using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools make-formula`
sealed class MakeFormulaVerb : Verb
{
    const string StableDiffusion = "sd15";

    readonly Option<string> config;
    readonly Option<string> outFolder;
    readonly Option<string?> tokenizer;
    readonly StorageOption storage;

    public MakeFormulaVerb()
        : base(
            "make-formula",
            "Make a model folder of full size whose weights come from a formula: for benchmarks and checks where no checkpoint can be fetched. It draws noise.",
            "weights-tools make-formula --config sd15 --out sd15-formula --dtype fp16")
    {
        config = Option<string>("--config", $"{StableDiffusion}, or a model folder whose configs are taken.", "NAME|DIR");
        config.DefaultValueFactory = _ => StableDiffusion;
        outFolder = Option<string>("--out", "Folder for the model; 4.3 GB for sd15 in fp32.", "DIR");
        outFolder.Required = true;
        tokenizer = Option<string?>("--tokenizer", "A tokenizer folder to copy. [default: the few words of the model that ships]", "DIR");
        storage = new StorageOption(this, "fp32");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        (string name, string place) = (parsed.GetRequiredValue(config), parsed.GetRequiredValue(outFolder));
        bool preset = name == StableDiffusion;
        string Of(string part) => Path.Combine(name, part, "config.json");
        UNet unet = new(preset ? UNetConfig.StableDiffusion : UNetConfig.Load(Of("unet")));
        AutoencoderKL vae = new(preset ? VaeConfig.StableDiffusion : VaeConfig.Load(Of("vae")));
        ClipTextModel text = new(preset ? ClipTextConfig.StableDiffusion : ClipTextConfig.Load(Of("text_encoder")));
        SchedulerConfig scheduler = preset
            ? SchedulerConfig.StableDiffusion with { ClassName = "PNDMScheduler", SkipPrkSteps = true }
            : SchedulerConfig.Load(Path.Combine(name, "scheduler", "scheduler_config.json"));
        string words = parsed.GetValue(tokenizer) ?? Path.Combine(place, "tokenizer");
        if (parsed.GetValue(tokenizer) is null)
            WordVocabulary.FaceMini.Save(words);

        using Device device = Device.Open("cpu", 1);
        using DiffusionModel model = new(unet, vae, text, words, scheduler, device);
        ModelFolder.Save(model, place, storage.Of(parsed) ?? SafetensorsDType.F32, p => FormulaWeights.Make(p.Name, p.Published.Dims.ToArray()));
        parsed.InvocationConfiguration.Output.WriteLine(
            $"{place}: {unet.Weights.Count + vae.Weights.Count + text.Weights.Count:N0} parameters (unet {unet.Weights.Count:N0}, vae {vae.Weights.Count:N0}, text_encoder {text.Weights.Count:N0})");
        return 0;
    }
}
