using System.CommandLine;
using System.Security.Cryptography;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools verify`
sealed class VerifyVerb : Verb
{
    readonly Argument<string> path;
    readonly Option<string?> model;
    readonly Option<string> identifier;

    public VerifyVerb()
        : base(
            "verify",
            "Check a file or model folder: strict safetensors, every number finite, a model's keys and shapes those of its configs, the identifier one token.",
            """
            weights-tools verify out/adapter.safetensors --model weights-tools/face-mini
            weights-tools verify weights-tools/face-mini
            """)
    {
        path = Argument("PATH", "A safetensors file or a model folder.");
        model = Option<string?>("--model", "A model folder that an adapter must fit, module by module.", "DIR");
        identifier = Option<string>("--identifier", "The word of a model folder's tokenizer that must be one token; empty asks for none.", "WORD");
        identifier.DefaultValueFactory = _ => new Subject().Identifier;
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string what = parsed.GetRequiredValue(path);
        TextWriter output = parsed.InvocationConfiguration.Output;
        string[] files = Directory.Exists(what) ? [.. Directory.EnumerateFiles(what, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [what];
        foreach (string file in files)
        {
            cancellation.ThrowIfCancellationRequested();
            CheckFile(file, output);
        }

        if (PathKind.IsAdapter(what))
            CheckAdapter(what, parsed.GetValue(model), output);
        else if (Directory.Exists(what))
            CheckModel(what, parsed.GetRequiredValue(identifier), output);
        return 0;
    }

    static void CheckAdapter(string path, string? folder, TextWriter output)
    {
        if (folder is null)
        {
            if (!LidbFile.Is(path))
                output.WriteLine($"{path}: {AdapterFile.Read(path).Modules.Count} whole modules");
            return;
        }

        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(folder, device);
        int modules = AdapterFile.Load(path, loaded).Modules.Count;
        output.WriteLine($"{path}: {modules} of {modules} modules matched in {folder}");
    }

    static void CheckModel(string what, string identifier, TextWriter output)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel model = ModelFolder.Load(what, device);
        output.WriteLine($"{what}: keys and shapes are those of the configs");
        if (identifier.Length > 0)
            CheckIdentifier(model, what, identifier, output);
    }

    static void CheckFile(string path, TextWriter output)
    {
        using SafetensorsReader file = new(path);
        long numbers = 0;
        foreach (string name in file.Names)
        {
            SafetensorsEntry entry = file.Entry(name);
            if (entry.DType is not (SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16 or SafetensorsDType.F64))
                continue;
            float[] values = file.ReadFloat32(name);
            int bad = Array.FindIndex(values, v => !float.IsFinite(v));
            if (bad >= 0)
                throw new IlgdException($"{path}: '{name}' has {values[bad]} at element {bad}: the training that wrote it diverged");
            numbers += values.Length;
        }

        using FileStream stream = File.OpenRead(path);
        output.WriteLine($"{path}: {file.Names.Count} tensors, {numbers:N0} numbers, all finite, sha256 {Convert.ToHexStringLower(SHA256.HashData(stream))}");
    }

    static void CheckIdentifier(DiffusionModel model, string folder, string word, TextWriter output)
    {
        int tokens = model.Tokenizer.EncodeText(word).Count;
        if (tokens != 1)
            throw new IlgdException($"{folder}: the identifier '{word}' is {tokens} tokens in this tokenizer; choose a word that is one");
        output.WriteLine($"{folder}: the identifier '{word}' is one token");
    }
}
