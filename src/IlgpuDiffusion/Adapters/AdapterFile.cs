using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// A LoRA file. Any low-rank dialect can be looked into (<see cref="Read"/>); kohya's, which every program reads, is written and used.
public sealed record AdapterFile(string Path, string Dialect, IReadOnlyList<AdapterModule> Modules, IReadOnlyDictionary<string, string> Metadata)
{
    const string AlphaEnd = ".alpha";

    /// Reads all modules of a file of any low-rank dialect. Errors: another kind of adapter (by name), a half of a pair missing, factors whose
    /// ranks differ, keys that belong to nothing.
    public static AdapterFile Read(string path)
    {
        using SafetensorsReader file = new(path);
        foreach (string key in file.Names)
        {
            if (AdapterDialect.ForeignKind(key) is { } kind)
                throw new IlgdException($"{path}: '{key}' belongs to a {kind}, which is not a plain low-rank update; export it as LoRA (down, up, alpha) first");
        }

        SortedDictionary<string, (AdapterDialect Dialect, string? Down, string? Up)> pairs = new(StringComparer.Ordinal);
        List<string> alphas = [];
        foreach (string key in file.Names)
        {
            if (key.EndsWith(AlphaEnd, StringComparison.Ordinal))
            {
                alphas.Add(key);
                continue;
            }

            AdapterDialect dialect = AdapterDialect.All.FirstOrDefault(d => Ends(key, d.Down) || Ends(key, d.Up))
                ?? throw new IlgdException($"{path}: '{key}' is no key of a LoRA file; is this a model's weights?");
            bool down = Ends(key, dialect.Down);
            string module = key[..^(down ? dialect.Down : dialect.Up).Length];
            pairs.TryGetValue(module, out (AdapterDialect Dialect, string? Down, string? Up) pair);
            pairs[module] = (dialect, down ? key : pair.Down, down ? pair.Up : key);
        }

        if (pairs.Count == 0)
            throw new IlgdException($"{path}: holds no adapter");
        if (alphas.FirstOrDefault(a => !pairs.ContainsKey(a[..^AlphaEnd.Length])) is { } lone)
            throw new IlgdException($"{path}: '{lone}' has no down and up beside it");
        List<AdapterModule> modules = [.. pairs.Select(p => Module(file, p.Key, p.Value.Dialect, p.Value.Down, p.Value.Up))];
        string dialects = string.Join(" and ", pairs.Values.Select(p => p.Dialect.Name).Distinct());
        return new AdapterFile(path, dialects, modules, new Dictionary<string, string>(file.Metadata));
    }

    /// Reads an adapter that is to be put on `model`: kohya's dialect, or our compact LiDB. Errors: those of Read, another dialect, modules that
    /// the model does not have, shapes that are not its layers'.
    public static AdapterFile Load(string path, DiffusionModel model)
    {
        if (LidbFile.Is(path))
            return LidbFile.Load(path, model);
        AdapterFile file = Read(path);
        if (file.Dialect != AdapterDialect.Kohya.Name)
            throw new IlgdException($"{path}: a LoRA in the dialect of {file.Dialect}; this version uses kohya's (lora_unet_….lora_down.weight): convert it first");
        if (file.Modules.FirstOrDefault(m => KohyaKeys.IsSdxl(m.Name)) is { } sdxl)
            throw new IlgdException($"{path}: '{sdxl.Name}' is of SDXL's second text encoder, which this model does not have");

        IReadOnlyDictionary<string, Parameter> layers = Layers(model);
        List<string> unknown = [], wrong = [];
        foreach (AdapterModule module in file.Modules)
        {
            if (!layers.TryGetValue(KohyaKeys.Canonical(module.Name), out Parameter? weight))
                unknown.Add($"'{module.Name}'");
            else if (weight.Published[0] != module.OutFeatures || weight.Published.Count / weight.Published[0] != module.InFeatures)
                wrong.Add($"'{module.Name}' is {module.OutFeatures} x {module.InFeatures} and its layer {weight.Published}");
        }

        if (unknown.Count + wrong.Count > 0)
            throw new IlgdException($"{path}: made for another model: {Listed("modules that it has not", unknown)}{Listed("of wrong shape", wrong)}".TrimEnd(' ', ';'));
        return file;
    }

    /// Every weight that an adapter can change, by kohya's name of its module.
    internal static IReadOnlyDictionary<string, Parameter> Layers(DiffusionModel model)
    {
        Dictionary<string, Parameter> layers = new(StringComparer.Ordinal);
        foreach ((string component, Weights weights) in (ReadOnlySpan<(string, Weights)>)[("unet", model.UNet.Weights), ("text_encoder", model.TextEncoder.Weights)])
        {
            foreach (Parameter p in weights.Parameters.Where(p => p.Published.Rank >= 2 && p.Name.EndsWith(".weight", StringComparison.Ordinal)))
                layers.Add(KohyaKeys.Module(component, p.Name[..^".weight".Length]), p);
        }

        return layers;
    }

    /// Writes an adapter in kohya's dialect with alpha, so that every reader comes to the same strength. LiDB is multiplied out to plain
    /// factors. `metadata` is added to the header's minimum.
    public static void Save(string path, AdapterSet adapter, Arena arena, IEnumerable<(string Key, string Value)> metadata)
    {
        SafetensorsWriter writer = new();
        Tape tape = new(arena, recording: false);
        (int rank, float alpha) = (0, 0);
        for (int i = 0; i < adapter.Targets.Count; i++)
        {
            AdapterTarget target = adapter.Targets[i];
            LowRankFactors f = adapter.Adapters[i].Factors(tape);
            (rank, alpha) = (f.Down.Shape[0], f.Scale * f.Down.Shape[0]);
            string module = KohyaKeys.Module(target.Component, target.Key);
            writer.Add(module + AdapterDialect.Kohya.Down, [rank, target.Layer.InFeatures], f.Down.ToArray());
            writer.Add(module + AdapterDialect.Kohya.Up, [target.Layer.OutFeatures, rank], f.Up.ToArray());
            writer.Add(module + AlphaEnd, [], new[] { alpha });
        }

        arena.Reset();
        writer.Metadata["format"] = "pt";
        writer.Metadata["ss_network_module"] = "networks.lora";
        writer.Metadata["ss_network_dim"] = $"{rank}";
        writer.Metadata["ss_network_alpha"] = $"{alpha}";
        writer.Metadata["ss_v2"] = "False";
        writer.Metadata["ss_base_model_version"] = "sd_v1";
        foreach ((string key, string value) in metadata)
            writer.Metadata[key] = value;
        writer.Write(path);
    }

    static AdapterModule Module(SafetensorsReader file, string name, AdapterDialect dialect, string? downKey, string? upKey)
    {
        if (downKey is null || upKey is null)
            throw new IlgdException($"{file.Path}: '{name}{(downKey is null ? dialect.Down : dialect.Up)}' is missing");
        int[] down = file.Shape(downKey), up = file.Shape(upKey);
        if (down.Length < 2 || up.Length < 2 || file.Entry(downKey).Count == 0 || file.Entry(upKey).Count != (long)up[0] * up[1])
            throw new IlgdException($"{file.Path}: '{name}' has down {file.Entry(downKey).Describe()} and up {file.Entry(upKey).Describe()}; expected (r, in) and (out, r)");
        if (down[0] != up[1])
            throw new IlgdException($"{file.Path}: '{name}' has rank {down[0]} in down and {up[1]} in up");
        float? alpha = file.Contains(name + AlphaEnd) ? Alpha(file, name + AlphaEnd) : null;
        return new AdapterModule(name, down[0], alpha, file.ReadFloat32(downKey), file.ReadFloat32(upKey));
    }

    static float Alpha(SafetensorsReader file, string key) => file.Entry(key).Count == 1
        ? file.ReadFloat32(key)[0]
        : throw new IlgdException($"{file.Path}: '{key}' is {file.Entry(key).Describe()}; expected one number");

    static bool Ends(string key, string end) => key.EndsWith(end, StringComparison.Ordinal);

    static string Listed(string what, List<string> items) =>
        items.Count == 0 ? "" : $"{items.Count} {what}: {string.Join(", ", items.Take(3))}{(items.Count > 3 ? ", …" : "")}; ";
}
