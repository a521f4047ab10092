using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// A LoRA, read from a file or folder of any dialect.
public sealed record AdapterFile(string Path, string Dialect, IReadOnlyList<AdapterModule> Modules, IReadOnlyDictionary<string, string> Metadata)
{
    const string PeftConfig = "adapter_config.json", PeftWeights = "adapter_model.safetensors", DiffusersWeights = "pytorch_lora_weights.safetensors";

    const int Listed = 3;

    /// Reads all modules. A folder is one of PEFT, one with those of two networks in `unet` and `text_encoder`, or one of diffusers. What a module's scale is:
    /// its alpha tensor, else the config in header or folder, else 1. Errors: another kind of adapter (by name), a half of a pair missing, factors whose
    /// ranks differ, two alphas that contradict each other, keys that belong to nothing.
    public static AdapterFile Read(string path)
    {
        if (!Directory.Exists(path))
            return ReadFile(path);
        if (File.Exists(System.IO.Path.Combine(path, PeftConfig)))
            return ReadFile(System.IO.Path.Combine(path, PeftWeights)) with { Path = path };
        string[] parts = [.. ((string[])[AdapterKey.Unet, AdapterKey.Text]).Select(c => System.IO.Path.Combine(path, c)).Where(p => File.Exists(System.IO.Path.Combine(p, PeftConfig)))];
        if (parts.Length > 0)
        {
            AdapterFile[] read = [.. parts.Select(Read)];
            return new AdapterFile(path, read[0].Dialect, [.. read.SelectMany(r => r.Modules)], read[0].Metadata);
        }

        string weights = System.IO.Path.Combine(path, DiffusersWeights);
        return File.Exists(weights) ? ReadFile(weights) with { Path = path } : throw new IlgdException($"{path}: no adapter: neither {PeftConfig} nor {DiffusersWeights} is in this folder");
    }

    /// Reads an adapter that is to be put on `model`: any dialect, or our compact LiDB. Errors: those of Read, modules that the model does not have,
    /// shapes that are not its layers'.
    public static AdapterFile Load(string path, DiffusionModel model)
    {
        if (LidbFile.Is(path))
            return LidbFile.Load(path, model);
        AdapterFile file = Read(path);
        if (file.Modules.FirstOrDefault(m => m.Component == AdapterKey.SecondText) is { } sdxl)
            throw new IlgdException($"{path}: '{sdxl.Name}' is of SDXL's second text encoder, which this model does not have");

        IReadOnlyDictionary<string, Parameter> layers = Layers(model);
        List<string> unknown = [], wrong = [];
        foreach (AdapterModule module in file.Modules)
        {
            if (!layers.TryGetValue(module.Path, out Parameter? weight))
                unknown.Add($"'{module.Name}'");
            else if (weight.Published[0] != module.OutFeatures || weight.Published.Count / weight.Published[0] != module.InFeatures)
                wrong.Add($"'{module.Name}' is {module.OutFeatures} x {module.InFeatures} and its layer {weight.Published}");
        }

        int matched = file.Modules.Count - unknown.Count - wrong.Count;
        if (matched < file.Modules.Count)
        {
            string[] problems = [List("modules that it has not", unknown), List("of wrong shape", wrong)];
            throw new IlgdException($"{path}: made for another model, {matched} of {file.Modules.Count} modules matched: {string.Join("; ", problems.Where(p => p.Length > 0))}");
        }

        return file;
    }

    /// Every weight that an adapter can change, by component and published key of its module.
    internal static IReadOnlyDictionary<string, Parameter> Layers(DiffusionModel model)
    {
        Dictionary<string, Parameter> layers = new(StringComparer.Ordinal);
        foreach ((string component, Weights weights) in (ReadOnlySpan<(string, Weights)>)[(AdapterKey.Unet, model.UNet.Weights), (AdapterKey.Text, model.TextEncoder.Weights)])
        {
            foreach (Parameter p in weights.Parameters.Where(p => p.Published.Rank >= 2 && p.Name.EndsWith(".weight", StringComparison.Ordinal)))
                layers.Add($"{component}.{p.Name[..^".weight".Length]}", p);
        }

        return layers;
    }

    /// The modules of an adapter that is on a model; LiDB is multiplied out to plain factors.
    public static IReadOnlyList<AdapterModule> ModulesOf(AdapterSet adapter, Arena arena)
    {
        Tape tape = new(arena, recording: false);
        List<AdapterModule> modules = [];
        for (int i = 0; i < adapter.Targets.Count; i++)
        {
            AdapterTarget target = adapter.Targets[i];
            LowRankFactors f = adapter.Adapters[i].Factors(tape);
            int rank = f.Down.Shape[0];
            modules.Add(new AdapterModule(target.Component, target.Key, rank, f.Scale * rank, f.Scale, f.Down.ToArray(), f.Up.ToArray()));
        }

        arena.Reset();
        return modules;
    }

    static AdapterFile ReadFile(string path)
    {
        using SafetensorsReader file = new(path);
        foreach (string key in file.Names)
        {
            if (AdapterDialect.ForeignKind(key) is { } kind)
                throw new IlgdException($"{path}: '{key}' belongs to a {kind}, which is not a plain low-rank update; export it as LoRA (down, up, alpha) first");
        }

        SortedDictionary<string, Parts> modules = new(StringComparer.Ordinal);
        List<AdapterDialect> dialects = [];
        foreach (string key in file.Names)
        {
            if (AdapterDialect.Of(key) is not var (dialect, parsed))
                throw new IlgdException($"{path}: '{key}' is no key of a LoRA file; is this a model's weights?");
            string module = $"{parsed.Component}.{parsed.Module}";
            if (!modules.TryGetValue(module, out Parts? parts))
                modules.Add(module, parts = new Parts(parsed.Component, parsed.Module, parsed.Name));
            if (!parts.Keys.TryAdd(parsed.Part, key))
                throw new IlgdException($"{path}: '{key}' and '{parts.Keys[parsed.Part]}' are the same tensor of the same module");
            if (!dialects.Contains(dialect))
                dialects.Add(dialect);
        }

        if (modules.Count == 0)
            throw new IlgdException($"{path}: holds no adapter");
        Func<string, LoraConfig?> configs = Configs(file, dialects);
        List<AdapterModule> read = [.. modules.Values.Select(parts => Module(file, parts, configs(parts.Component)))];
        return new AdapterFile(path, Described(dialects), read, new Dictionary<string, string>(file.Metadata));
    }

    // Of a component: in the folder (PEFT), in the header (diffusers), or nowhere.
    static Func<string, LoraConfig?> Configs(SafetensorsReader file, List<AdapterDialect> dialects)
    {
        string beside = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(file.Path) ?? "", PeftConfig);
        bool peft = dialects.Contains(AdapterDialect.Peft);
        (string source, string? text) = peft ? (beside, ReadText(beside)) : ($"{file.Path}: lora_adapter_metadata", file.Metadata.GetValueOrDefault("lora_adapter_metadata"));
        if (text is null)
            return _ => null;
        try
        {
            using JsonDocument json = JsonDocument.Parse(PythonJson.Strict(text));
            Dictionary<string, LoraConfig?> byComponent = ((string[])[AdapterKey.Unet, AdapterKey.Text]).ToDictionary(
                component => component, component => LoraConfig.Parse(json.RootElement, peft ? "" : $"{component}.", source));
            return component => byComponent.GetValueOrDefault(component);
        }
        catch (JsonException e)
        {
            throw new IlgdException($"{source}: not valid JSON: {e.Message}", e);
        }
    }

    static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}; it says how strong a PEFT adapter is", e);
        }
    }

    static AdapterModule Module(SafetensorsReader file, Parts parts, LoraConfig? config)
    {
        if (!parts.Keys.TryGetValue(AdapterPart.Down, out string? downKey) || !parts.Keys.TryGetValue(AdapterPart.Up, out string? upKey))
        {
            bool alone = parts.Keys.Count == 1 && parts.Keys.ContainsKey(AdapterPart.Alpha);
            throw new IlgdException(alone
                ? $"{file.Path}: '{parts.Keys[AdapterPart.Alpha]}' has no down and up beside it"
                : $"{file.Path}: '{parts.Name}' has no {(parts.Keys.ContainsKey(AdapterPart.Down) ? "up" : "down")} tensor beside '{parts.Keys.First(k => k.Key != AdapterPart.Alpha).Value}'");
        }

        int[] down = file.Shape(downKey), up = file.Shape(upKey);
        if (down.Length < 2 || up.Length < 2 || file.Entry(downKey).Count == 0 || file.Entry(upKey).Count != (long)up[0] * up[1])
            throw new IlgdException($"{file.Path}: '{parts.Name}' has down {file.Entry(downKey).Describe()} and up {file.Entry(upKey).Describe()}; expected (r, in) and (out, r)");
        int rank = down[0];
        if (rank != up[1])
            throw new IlgdException($"{file.Path}: '{parts.Name}' has rank {rank} in down and {up[1]} in up");
        double? alpha = parts.Keys.TryGetValue(AdapterPart.Alpha, out string? alphaKey) ? AlphaOf(file, alphaKey) : null;
        float scale = alpha is { } a ? AdapterModule.ScaleOf(a, rank) : 1;
        if (config?.Of(parts.Key, rank, file.Path) is var (said, meant))
        {
            if (alpha is not null && meant != scale)
                throw new IlgdException($"{file.Path}: '{parts.Name}' has scale {scale} by its alpha tensor and {meant} by its config: which was it trained with?");
            (alpha, scale) = (said, meant);
        }

        SafetensorsDType storage = file.Entry(downKey).DType == file.Entry(upKey).DType ? file.Entry(downKey).DType : SafetensorsDType.F32;
        return new AdapterModule(parts.Component, parts.Key, rank, alpha, scale, file.ReadFloat32(downKey), file.ReadFloat32(upKey))
        {
            Name = parts.Name,
            DownShape = down,
            UpShape = up,
            Storage = storage is SafetensorsDType.F16 or SafetensorsDType.BF16 ? storage : SafetensorsDType.F32,
        };
    }

    static double AlphaOf(SafetensorsReader file, string key) => file.Entry(key).Count == 1
        ? file.ReadFloat32(key)[0]
        : throw new IlgdException($"{file.Path}: '{key}' is {file.Entry(key).Describe()}; expected one number");

    // Each dialect of diffusers falls back on the next younger one's words for layers that it has none for: such a file is of the oldest.
    static string Described(List<AdapterDialect> dialects)
    {
        AdapterDialect[] oldestFirst = [AdapterDialect.DiffusersOld, AdapterDialect.DiffusersScript, AdapterDialect.Diffusers];
        AdapterDialect? oldest = oldestFirst.FirstOrDefault(dialects.Contains);
        return string.Join(" and ", dialects.Where(d => d == oldest || !oldestFirst.Contains(d)).Select(d => d.Name));
    }

    static string List(string what, List<string> items) =>
        items.Count == 0 ? "" : $"{items.Count} {what}: {string.Join(", ", items.Take(Listed))}{(items.Count > Listed ? ", …" : "")}";

    sealed record Parts(string Component, string Key, string Name)
    {
        public Dictionary<AdapterPart, string> Keys { get; } = [];
    }
}
