using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Adapters;

/// PEFT's settings of one network's LoRA, from `adapter_config.json` or from the `lora_adapter_metadata` of a diffusers file. Patterns are regular expressions
/// for the end of a module's key; the first that fits gives its rank or alpha.
public sealed record LoraConfig(int Rank, double Alpha, bool RankStabilised, IReadOnlyList<(string Pattern, int Rank)> Ranks, IReadOnlyList<(string Pattern, double Alpha)> Alphas)
{
    /// PEFT's own default.
    const double DefaultAlpha = 8;

    static readonly TimeSpan PatternTime = TimeSpan.FromSeconds(1);

    /// `prefix`: of the keys, `unet.` in diffusers' metadata. Null where no key has it.
    /// Errors: another kind than LoRA, DoRA, biases and other things that are not ΔW = scale · B · A.
    public static LoraConfig? Parse(JsonElement json, string prefix, string source)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new IlgdException($"{source}: a config is a JSON object, this is {json.ValueKind}");
        JsonElement? Get(string key) => json.TryGetProperty(prefix + key, out JsonElement e) && e.ValueKind != JsonValueKind.Null ? e : null;
        try
        {
            if (Get("r") is not { } rank)
                return prefix.Length > 0 ? null : throw new IlgdException($"{source}: no key 'r', the rank");
            if (Get("peft_type") is { } type && type.GetString() != "LORA")
                throw new IlgdException($"{source}: key '{prefix}peft_type' is {type.GetRawText()}; only LORA is a plain low-rank update");
            Refuse("use_dora", "DoRA");
            Refuse("lora_bias", "biases");
            Refuse("use_qalora", "QALoRA");
            Refuse("fan_in_fan_out", "transposed weights");
            if (Get("bias") is { } bias && bias.GetString() != "none")
                throw new IlgdException($"{source}: key '{prefix}bias' is {bias.GetRawText()}; trained biases are not part of a plain low-rank update");
            return new LoraConfig(
                rank.GetInt32(),
                Get("lora_alpha")?.GetDouble() ?? DefaultAlpha,
                Get("use_rslora")?.GetBoolean() ?? false,
                [.. Get("rank_pattern")?.EnumerateObject().Select(p => (p.Name, p.Value.GetInt32())) ?? []],
                [.. Get("alpha_pattern")?.EnumerateObject().Select(p => (p.Name, p.Value.GetDouble())) ?? []]);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw new IlgdException($"{source}: not a valid LoRA config: {e.Message}", e);
        }

        void Refuse(string key, string what)
        {
            if (Get(key) is { ValueKind: JsonValueKind.True })
                throw new IlgdException($"{source}: key '{prefix}{key}' is true: {what} are not a plain low-rank update; merge the adapter with PEFT first");
        }
    }

    /// Alpha and scale of a module: alpha / r, or alpha / √r when rank-stabilised. Errors: the tensors' rank is not the config's.
    public (double Alpha, float Scale) Of(string module, int rank, string source)
    {
        int own = Ranks.FirstOrDefault(p => Fits(p.Pattern, module)) is { Pattern: not null } r ? r.Rank : Rank;
        if (own != rank)
            throw new IlgdException($"{source}: '{module}' has rank {rank} in its tensors and {own} in its config");
        double alpha = Alphas.FirstOrDefault(p => Fits(p.Pattern, module)) is { Pattern: not null } a ? a.Alpha : Alpha;
        return (alpha, RankStabilised ? (float)(alpha / Math.Sqrt(rank)) : AdapterModule.ScaleOf(alpha, rank));
    }

    /// The config that gives each module its rank and scale, as JSON with `prefix` before every key. Alphas are doubles, which hold scale · r exactly.
    internal static JsonObject ToJson(IReadOnlyList<AdapterModule> modules, Func<string, string> key, string prefix)
    {
        static double AlphaOf(AdapterModule m) => (double)m.Scale * m.Rank;
        int rank = modules.GroupBy(m => m.Rank).MaxBy(g => g.Count())!.Key;
        double alpha = modules.GroupBy(AlphaOf).MaxBy(g => g.Count())!.Key;
        JsonObject ranks = [], alphas = [];
        foreach (AdapterModule m in modules)
        {
            if (m.Rank != rank)
                ranks.Add(Regex.Escape(key(m.Key)), m.Rank);
            if (AlphaOf(m) != alpha)
                alphas.Add(Regex.Escape(key(m.Key)), AlphaOf(m));
        }

        return new JsonObject
        {
            [$"{prefix}peft_type"] = "LORA",
            [$"{prefix}r"] = rank,
            [$"{prefix}lora_alpha"] = alpha == Math.Truncate(alpha) ? JsonValue.Create((long)alpha) : JsonValue.Create(alpha),
            [$"{prefix}rank_pattern"] = ranks,
            [$"{prefix}alpha_pattern"] = alphas,
            [$"{prefix}target_modules"] = new JsonArray([.. modules.Select(m => JsonValue.Create(key(m.Key)))]),
            [$"{prefix}bias"] = "none",
            [$"{prefix}fan_in_fan_out"] = false,
            [$"{prefix}inference_mode"] = true,
            [$"{prefix}init_lora_weights"] = true,
            [$"{prefix}lora_dropout"] = 0.0,
            [$"{prefix}use_dora"] = false,
            [$"{prefix}use_rslora"] = false,
        };
    }

    static bool Fits(string pattern, string module)
    {
        try
        {
            return Regex.IsMatch(module, $@"^(.*\.)?({pattern})$", RegexOptions.None, PatternTime);
        }
        catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
        {
            throw new IlgdException($"pattern '{pattern}' of a LoRA config is no usable regular expression: {e.Message}", e);
        }
    }
}
