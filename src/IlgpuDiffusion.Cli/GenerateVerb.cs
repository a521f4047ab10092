using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// `ilgd generate`
sealed class GenerateVerb : Verb
{
    const int LargestSide = 4096;

    readonly ModelOptions model;
    readonly Option<string[]> prompt;
    readonly Option<string?> promptFile;
    readonly Option<string> negative;
    readonly Option<AdapterUse[]> adapters;
    readonly Option<ulong> seed;
    readonly Option<string> rng;
    readonly SamplingOptions sampling;
    readonly Option<int> count;
    readonly Option<string?> latents;
    readonly Option<string?> saveLatents;
    readonly Option<string?> image;
    readonly Option<double> strength;
    readonly Option<int> width;
    readonly Option<int> height;
    readonly Option<string> identifier;
    readonly DeviceOptions device;
    readonly MemoryOptions memory;
    readonly Option<string> outFolder;
    readonly Option<bool> json;

    public GenerateVerb()
        : base(
            "generate",
            "Draw pictures for prompts, with any number of adapters on the model.",
            """
            ilgd generate --prompt "a pencil sketch of a face" --count 4
            ilgd generate --model models/sd15 --prompt "a photo of a fox" --rng torch --seed 42 --steps 50 --guidance 7.5
            ilgd generate --prompt "a [V] face in snow" --adapter out/adapter.safetensors --adapter other.safetensors:0.5
            ilgd generate --prompt "a face" --save-latents noise.safetensors; ilgd generate --prompt "a face smiling" --latents noise.safetensors
            ilgd generate --image me.png --strength 0.6 --prompt "a pencil sketch of a face"
            ilgd generate --model models/sd15 --prompts gallery.txt --memory-budget 8G
            """)
    {
        model = new ModelOptions(this);
        prompt = Option<string[]>("--prompt", "What to draw; [V] becomes the identifier. May be given several times.", "TEXT");
        promptFile = Option<string?>("--prompts", "A file with one prompt a line.", "FILE");
        Validators.Add(result =>
        {
            if (result.GetResult(prompt) is null && result.GetResult(promptFile) is null)
                result.AddError("Give --prompt or --prompts.");
            if (result.GetResult(strength!) is { Implicit: false } && result.GetResult(image!) is null)
                result.AddError("--strength is for --image.");
        });
        negative = Option<string>("--negative", "What not to draw.", "TEXT");
        negative.DefaultValueFactory = _ => "";
        adapters = Option<AdapterUse[]>("--adapter", "A LoRA (file or folder of kohya, diffusers, PEFT), LiDB or textual inversion, a LoRA with its strength after a colon. May be given several times.", "FILE[:WEIGHT]");
        adapters.CustomParser = AdapterText.Parse;
        seed = Number("--seed", "The same seed gives the same pictures.", 0ul, ulong.MaxValue, 0ul);
        rng = Option<string>("--rng", "Whose random numbers: our own, or torch's, which give the latents of diffusers.");
        rng.DefaultValueFactory = _ => "philox";
        rng.AcceptOnlyFromAmong("philox", "torch");
        sampling = new SamplingOptions(this, "--steps");
        count = Number("--count", "Pictures of each prompt.", 1, 10_000, 1);
        latents = Option<string?>("--latents", "First noise from a safetensors file, (N, L, h, w) under the key latents; it says count and size.", "FILE");
        saveLatents = Option<string?>("--save-latents", "Write the first noise in that form.", "FILE");
        image = Option<string?>("--image", "A picture to begin from: its middle, in the shape of the pictures to draw.", "FILE");
        strength = Number("--strength", "How much of the way from that picture is drawn anew: 0 nothing, 1 everything.", 0.0, 1.0, 0.8);
        width = Number("--width", "Pixels. [default: the model's own]", 8, LargestSide);
        height = Number("--height", "Pixels. [default: the model's own]", 8, LargestSide);
        identifier = Option<string>("--identifier", "The rare word that [V] becomes.", "WORD");
        identifier.DefaultValueFactory = _ => new Subject().Identifier;
        device = new DeviceOptions(this);
        memory = new MemoryOptions(this);
        outFolder = Option<string>("--out", "Folder for the pictures.", "DIR");
        outFolder.DefaultValueFactory = _ => "out";
        json = Option<bool>("--json", "Print settings, files and time as JSON.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool forMachine = parsed.GetValue(json);
        (TextWriter output, TextWriter error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        PhaseLines lines = PhaseLines.For(forMachine, output, error);
        GenerationRecord record = new Generator(Settings(parsed), lines.Report, lines.Report, cancellation).Run();
        if (forMachine)
            output.WriteLine(record.ToJson());
        else
        {
            record.Adapters.ToList().ForEach(error.WriteLine);
            record.Files.ToList().ForEach(output.WriteLine);
        }

        return 0;
    }

    GenerationRun Settings(ParseResult parsed) => new()
    {
        Model = model.Path(parsed),
        Variant = model.Variant(parsed),
        ModelConfig = model.Config(parsed),
        Prompts = [.. parsed.GetValue(prompt) ?? [], .. parsed.GetValue(promptFile) is { } file ? Prompts.Read(file) : []],
        NegativePrompt = parsed.GetRequiredValue(negative),
        Subject = new Subject(parsed.GetRequiredValue(identifier)),
        Adapters = parsed.GetValue(adapters) ?? [],
        Seed = parsed.GetRequiredValue(seed),
        Rng = parsed.GetRequiredValue(rng) == "torch" ? NoiseKind.Torch : NoiseKind.Philox,
        Sampling = sampling.Of(parsed),
        Count = parsed.GetRequiredValue(count),
        Latents = parsed.GetValue(latents),
        SaveLatents = parsed.GetValue(saveLatents),
        Image = parsed.GetValue(image),
        Strength = parsed.GetRequiredValue(strength),
        Width = parsed.GetResult(width) is null ? null : parsed.GetValue(width),
        Height = parsed.GetResult(height) is null ? null : parsed.GetValue(height),
        Device = device.Name(parsed),
        Threads = device.Threads(parsed),
        Conv = device.Conv(parsed),
        MemoryBudget = memory.Budget(parsed),
        Out = parsed.GetRequiredValue(outFolder),
    };
}
