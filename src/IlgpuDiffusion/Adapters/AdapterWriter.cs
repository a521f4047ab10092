using System.Text;
using System.Text.Json.Nodes;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;

namespace IlgpuDiffusion.Adapters;

/// Writes adapters in any dialect, so that every reader of that dialect comes to the same ΔW. What a dialect cannot say is refused, not rounded.
public static class AdapterWriter
{
    // Header entries that describe the file they stood in, not the adapter.
    static readonly string[] OfTheFile = ["format", "lora_adapter_metadata", "sshs_model_hash", "sshs_legacy_hash"];

    /// `path`: a file, for PEFT a folder (two networks get a folder each in it)   `metadata`: for the header, beside what the dialect needs
    /// `storage`: of the factors; null keeps each module's own
    /// Errors: a scale that the dialect has no exact word for.
    public static void Write(
        string path, AdapterDialect dialect, IReadOnlyList<AdapterModule> modules, IEnumerable<(string Key, string Value)> metadata, SafetensorsDType? storage = null)
    {
        if (dialect == AdapterDialect.Peft)
        {
            WritePeft(path, modules, storage);
            return;
        }

        SafetensorsWriter writer = new();
        foreach ((string key, string value) in metadata.Where(m => !OfTheFile.Contains(m.Key)))
            writer.Metadata[key] = value;
        writer.Metadata["format"] = "pt";
        bool baked = dialect == AdapterDialect.DiffusersOld || dialect == AdapterDialect.DiffusersScript;
        foreach (AdapterModule module in modules)
        {
            AdapterModule m = baked ? WithoutScale(module, path, dialect) : module;
            Add(writer, dialect, m, storage);
            if (dialect == AdapterDialect.Kohya)
                writer.Add(dialect.Spell(m.Component, m.Key, AdapterPart.Alpha), [], new[] { KohyaAlpha(m, path) });
        }

        if (dialect == AdapterDialect.Kohya)
        {
            KohyaMinimum(writer.Metadata, modules);
            // By which browsers of LoRA files know one again.
            writer.Metadata["sshs_model_hash"] = writer.DataSha256();
            writer.Metadata["sshs_legacy_hash"] = writer.LegacyHash();
        }

        if (dialect == AdapterDialect.Diffusers)
        {
            JsonObject configs = [];
            foreach (IGrouping<string, AdapterModule> network in modules.GroupBy(m => m.Component))
            {
                foreach ((string key, JsonNode? value) in LoraConfig.ToJson([.. network], key => key, $"{network.Key}."))
                    configs.Add(key, value?.DeepClone());
            }

            writer.Metadata["lora_adapter_metadata"] = configs.ToJsonString(ConfigJson.Options);
        }

        writer.Write(path);
    }

    static void WritePeft(string folder, IReadOnlyList<AdapterModule> modules, SafetensorsDType? storage)
    {
        IGrouping<string, AdapterModule>[] networks = [.. modules.GroupBy(m => m.Component)];
        foreach (IGrouping<string, AdapterModule> network in networks)
        {
            string place = networks.Length == 1 ? folder : Path.Combine(folder, network.Key);
            SafetensorsWriter writer = new();
            writer.Metadata["format"] = "pt";
            foreach (AdapterModule module in network)
                Add(writer, AdapterDialect.Peft, module, storage);
            writer.Write(Path.Combine(place, "adapter_model.safetensors"));
            string config = LoraConfig.ToJson([.. network], key => key.StartsWith("text_model.", StringComparison.Ordinal) ? key["text_model.".Length..] : key, "")
                .ToJsonString(ConfigJson.Options);
            AtomicFile.Write(Path.Combine(place, "adapter_config.json"), stream => stream.Write(Encoding.UTF8.GetBytes(config)));
        }
    }

    static void Add(SafetensorsWriter writer, AdapterDialect dialect, AdapterModule m, SafetensorsDType? storage)
    {
        writer.Add(dialect.Spell(m.Component, m.Key, AdapterPart.Down), m.DownShape, m.Down, storage ?? m.Storage);
        writer.Add(dialect.Spell(m.Component, m.Key, AdapterPart.Up), m.UpShape, m.Up, storage ?? m.Storage);
    }

    // A float whose quotient by the rank is the scale again: of the three nearest to scale · r one nearly always is.
    static float KohyaAlpha(AdapterModule m, string path)
    {
        float near = (float)((double)m.Scale * m.Rank);
        foreach (float alpha in (ReadOnlySpan<float>)[near, MathF.BitIncrement(near), MathF.BitDecrement(near)])
        {
            if (AdapterModule.ScaleOf(alpha, m.Rank) == m.Scale)
                return alpha;
        }

        throw new IlgdException($"{path}: '{m.Path}' has scale {m.Scale} at rank {m.Rank}, which no float32 alpha gives; write it as diffusers or peft");
    }

    // These dialects have no alpha. A power of two goes into the up factor without a rounding; where a half has no bits left for it, into float32.
    static AdapterModule WithoutScale(AdapterModule m, string path, AdapterDialect dialect)
    {
        if (m.Scale == 1)
            return m;
        float[] up = Array.ConvertAll(m.Up, v => v * m.Scale);
        bool power = m.Scale > 0 && float.IsFinite(m.Scale) && MathF.ScaleB(1, (int)MathF.Floor(MathF.Log2(m.Scale))) == m.Scale;
        SafetensorsDType storage = up.All(v => Stored(v, m.Storage) == v) ? m.Storage : SafetensorsDType.F32;
        return power && up.Zip(m.Up).All(v => v.First / m.Scale == v.Second)
            ? m with { Up = up, Scale = 1, Alpha = null, Storage = storage }
            : throw new IlgdException($"{path}: '{m.Path}' has scale {m.Scale}; {dialect.Name} has no alpha and the factor does not hold it exactly: write it as kohya, diffusers or peft");
    }

    static float Stored(float value, SafetensorsDType storage) => storage switch
    {
        SafetensorsDType.F16 => (float)(Half)value,
        SafetensorsDType.BF16 => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(value)),
        _ => value,
    };

    // sd-scripts: train_util.SS_METADATA_MINIMUM_KEYS
    static void KohyaMinimum(SortedDictionary<string, string> metadata, IReadOnlyList<AdapterModule> modules)
    {
        int rank = modules.GroupBy(m => m.Rank).MaxBy(g => g.Count())!.Key;
        double alpha = modules.Where(m => m.Rank == rank).GroupBy(m => (double)m.Scale * m.Rank).MaxBy(g => g.Count())!.Key;
        // Stable Diffusion 2 reads texts of 1,024 numbers a token.
        bool second = modules.Any(m => m.Key.EndsWith(".attn2.to_k", StringComparison.Ordinal) && m.InFeatures == 1024);
        metadata["ss_network_module"] = "networks.lora";
        metadata["ss_network_dim"] = $"{rank}";
        metadata["ss_network_alpha"] = $"{alpha}";
        metadata.TryAdd("ss_v2", second ? "True" : "False");
        metadata.TryAdd("ss_base_model_version", second ? "sd_v2" : "sd_v1");
    }
}
