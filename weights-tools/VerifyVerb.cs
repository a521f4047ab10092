using System.CommandLine;
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
    readonly Option<string> identifier;

    public VerifyVerb()
        : base(
            "verify",
            "Check a file or model folder: strict safetensors, every number finite, a model's keys and shapes those of its configs, the identifier one token.",
            """
            weights-tools verify out/adapter.safetensors
            weights-tools verify weights-tools/face-mini
            """)
    {
        path = Argument("PATH", "A safetensors file or a model folder.");
        identifier = Option<string>("--identifier", "The word of a model folder's tokenizer that must be one token; empty asks for none.", "WORD");
        identifier.DefaultValueFactory = _ => new Subject().Identifier;
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string what = parsed.GetRequiredValue(path);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (!Directory.Exists(what))
        {
            CheckFile(what, output);
            return 0;
        }

        foreach (string file in Directory.EnumerateFiles(what, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            cancellation.ThrowIfCancellationRequested();
            CheckFile(file, output);
        }

        using Device device = Device.Open("cpu", 1);
        using DiffusionModel model = ModelFolder.Load(what, device);
        output.WriteLine($"{what}: keys and shapes are those of the configs");
        if (parsed.GetRequiredValue(identifier) is { Length: > 0 } word)
            CheckIdentifier(model, what, word, output);
        return 0;
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

        output.WriteLine($"{path}: {file.Names.Count} tensors, {numbers:N0} numbers, all finite");
    }

    static void CheckIdentifier(DiffusionModel model, string folder, string word, TextWriter output)
    {
        int tokens = model.Tokenizer.EncodeText(word).Count;
        if (tokens != 1)
            throw new IlgdException($"{folder}: the identifier '{word}' is {tokens} tokens in this tokenizer; choose a word that is one");
        output.WriteLine($"{folder}: the identifier '{word}' is one token");
    }
}
