using System.Text.Json;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.IO;

/// A Stable Diffusion model in diffusers' layout: model_index.json, and folders unet, vae, text_encoder, tokenizer, scheduler.
/// `variant` (fp16) picks `*.fp16.safetensors` where a component has it. Storage may be F32, F16 or BF16; in memory all is float32.
public static class ModelFolder
{
    const string Index = "model_index.json";

    static readonly Dictionary<string, string[]> Classes = new()
    {
        ["unet"] = ["UNet2DConditionModel"],
        ["vae"] = ["AutoencoderKL"],
        ["text_encoder"] = ["CLIPTextModel"],
        ["tokenizer"] = ["CLIPTokenizer", "CLIPTokenizerFast"],
    };

    // Parts that do not touch the picture's computation, and the scheduler, of which only the settings count.
    static readonly string[] Beside = ["scheduler", "safety_checker", "feature_extractor"];

    /// Loads the whole folder, or, where `folder` is a file, a single-file checkpoint with the configs and the tokenizer of the folder `configs`.
    /// Errors: one message that names folder, file and key.
    public static DiffusionModel Load(string folder, Device device, string? variant = null, string? configs = null)
    {
        if (File.Exists(folder))
        {
            return SingleFile.Load(folder, configs ?? throw new IlgdException(
                $"{folder}: a single file has no configs and no tokenizer; name a folder in diffusers' layout to take them from (--model-config DIR)"), device);
        }

        HashSet<string> parts = ReadIndex(folder);
        foreach (string needed in (ReadOnlySpan<string>)["unet", "text_encoder", "tokenizer", "scheduler"])
        {
            if (!parts.Contains(needed))
                throw new IlgdException($"{Path.Combine(folder, Index)}: has no '{needed}', which a text-to-image model needs");
        }

        SchedulerConfig scheduler = SchedulerConfig.Load(Path.Combine(folder, "scheduler", "scheduler_config.json"));
        List<IDisposable> loaded = [];
        try
        {
            ClipTextModel text = Loaded(LoadTextEncoder(Path.Combine(folder, "text_encoder"), device, variant));
            AutoencoderKL? vae = parts.Contains("vae") ? Loaded(LoadVae(Path.Combine(folder, "vae"), device, variant)) : null;
            UNet unet = Loaded(LoadUNet(Path.Combine(folder, "unet"), device, variant));
            DiffusionModel model = new(unet, vae, text, Path.Combine(folder, "tokenizer"), scheduler, device);
            CheckTogether(folder, model);
            return model;
        }
        catch
        {
            loaded.ForEach(part => part.Dispose());
            throw;
        }

        T Loaded<T>(T part)
            where T : IDisposable
        {
            loaded.Add(part);
            return part;
        }
    }

    /// `folder`: config.json and diffusion_pytorch_model.safetensors, whole or in shards.
    public static UNet LoadUNet(string folder, Device device, string? variant = null)
    {
        UNet unet = new(UNetConfig.Load(Config(folder)));
        LoadWeights(unet.Weights, device, "unet", WeightFile(folder, "diffusion_pytorch_model", variant), key => key);
        return unet;
    }

    /// As LoadUNet; the attention's old names are read too.
    public static AutoencoderKL LoadVae(string folder, Device device, string? variant = null)
    {
        AutoencoderKL vae = new(VaeConfig.Load(Config(folder)));
        LoadWeights(vae.Weights, device, "vae", WeightFile(folder, "diffusion_pytorch_model", variant), LegacyAttentionKeys.ToPublished);
        return vae;
    }

    /// `folder`: config.json and model.safetensors, with or without `text_model.` in front of its keys.
    public static ClipTextModel LoadTextEncoder(string folder, Device device, string? variant = null)
    {
        ClipTextModel text = new(ClipTextConfig.Load(Config(folder)));
        LoadWeights(text.Weights, device, "text_encoder", WeightFile(folder, "model", variant), ClipKeys.ToPublished);
        return text;
    }

    /// Writes the folder so that diffusers reads it; model_index.json comes last, so a broken run leaves no folder that looks whole.
    /// `values`: of a parameter, in published order, for a model whose weights have no memory.
    public static void Save(DiffusionModel model, string folder, SafetensorsDType dtype = SafetensorsDType.F32, Func<Parameter, float[]>? values = null)
    {
        Write("scheduler/scheduler_config.json", model.Scheduler.ToJson());
        string tokenizer = Path.Combine(folder, "tokenizer");
        if (Path.GetFullPath(tokenizer) != Path.GetFullPath(model.TokenizerFolder))
        {
            foreach (string file in Directory.GetFiles(model.TokenizerFolder))
                Write($"tokenizer/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        }

        Write("text_encoder/config.json", model.TextEncoder.Config.ToJson());
        WeightsFile.Write(model.TextEncoder.Weights, Path.Combine(folder, "text_encoder", "model.safetensors"), dtype, values);
        if (model.HasVae)
        {
            Write("vae/config.json", model.Vae.Config.ToJson());
            WeightsFile.Write(model.Vae.Weights, Path.Combine(folder, "vae", "diffusion_pytorch_model.safetensors"), dtype, values);
        }

        Write("unet/config.json", model.UNet.Config.ToJson());
        WeightsFile.Write(model.UNet.Weights, Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"), dtype, values);
        Write(Index, IndexJson(model));

        void Write(string file, byte[] bytes) => AtomicFile.Write(Path.Combine(folder, file), stream => stream.Write(bytes));
    }

    static byte[] IndexJson(DiffusionModel model)
    {
        Dictionary<string, object> index = new()
        {
            ["_class_name"] = "StableDiffusionPipeline",
            ["requires_safety_checker"] = false,
            ["safety_checker"] = new string?[] { null, null },
            ["feature_extractor"] = new string?[] { null, null },
            ["scheduler"] = new[] { "diffusers", model.Scheduler.ClassName ?? "DDIMScheduler" },
            ["text_encoder"] = new[] { "transformers", "CLIPTextModel" },
            ["tokenizer"] = new[] { "transformers", "CLIPTokenizer" },
            ["unet"] = new[] { "diffusers", "UNet2DConditionModel" },
        };
        if (model.HasVae)
            index.Add("vae", new[] { "diffusers", "AutoencoderKL" });
        return JsonSerializer.SerializeToUtf8Bytes(index, ConfigJson.Options);
    }

    // Names of the components that are there.
    internal static HashSet<string> ReadIndex(string folder)
    {
        string path = Path.Combine(folder, Index);
        if (!Directory.Exists(folder))
            throw new IlgdException($"{folder}: no such folder; give a model folder in diffusers' layout");
        if (!File.Exists(path))
            throw new IlgdException($"{folder}: no {Index}; this is no model folder in diffusers' layout");
        HashSet<string> parts = [];
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            foreach (JsonProperty p in json.RootElement.EnumerateObject())
            {
                // A component is [library, class], or [null, null] where it was left out.
                if (p.Value.ValueKind != JsonValueKind.Array || p.Value.GetArrayLength() != 2 || p.Value[1].ValueKind == JsonValueKind.Null)
                    continue;
                string type = p.Value[1].GetString()!;
                bool known = Classes.TryGetValue(p.Name, out string[]? accepted);
                if (known && !accepted!.Contains(type))
                    throw new IlgdException($"{path}: '{p.Name}' is a {type}; this program knows {string.Join(" and ", accepted!)}");
                if (!known && !Beside.Contains(p.Name))
                    throw new IlgdException(
                        $"{path}: component '{p.Name}' ({type}) is not one this program knows; Stable Diffusion 1 and 2 have none");
                parts.Add(p.Name);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new IlgdException($"{path}: not a valid model index: {e.Message}", e);
        }

        return parts;
    }

    static string Config(string folder) => Directory.Exists(folder)
        ? Path.Combine(folder, "config.json")
        : throw new IlgdException($"{folder}: no such folder; the model is incomplete");

    static string WeightFile(string folder, string stem, string? variant)
    {
        string[] names = [$"{stem}.safetensors", $"{stem}.safetensors.index.json"];
        if (variant is not null)
            names = [$"{stem}.{variant}.safetensors", $"{stem}.safetensors.index.{variant}.json", .. names];
        foreach (string name in names)
        {
            if (File.Exists(Path.Combine(folder, name)))
                return Path.Combine(folder, name);
        }

        string[] there = [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];
        if (there.FirstOrDefault(f => Path.GetExtension(f) is ".bin" or ".ckpt" or ".pt" or ".pth") is { } pickle)
        {
            throw new IlgdException($"{Path.Combine(folder, pickle)}: a pickle, which can run code when it is read; save the model as safetensors first "
                + "(in diffusers: pipe.save_pretrained(folder, safe_serialization=True))");
        }

        string? other = there.FirstOrDefault(
            f => f.StartsWith(stem + ".", StringComparison.Ordinal) && f.EndsWith(".safetensors", StringComparison.Ordinal));
        string hint = other is null ? "" : $"; there is {other}, so ask for variant {other[(stem.Length + 1)..^".safetensors".Length]}";
        throw new IlgdException($"{folder}: no {names[0]}{hint}");
    }

    static void LoadWeights(Weights weights, Device device, string owner, string path, Func<string, string?> dialect)
    {
        bool shards = !path.EndsWith(".safetensors", StringComparison.Ordinal);
        using TensorSource file = shards ? new ShardedSafetensors(path) : new SafetensorsReader(path);
        IReadOnlyDictionary<string, string> matched = WeightsFile.Match(weights, file, dialect);
        weights.Allocate(device, owner);
        try
        {
            WeightsFile.Read(weights, file, matched);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    internal static void CheckTogether(string folder, DiffusionModel model)
    {
        int context = model.UNet.Config.CrossAttentionDim, hidden = model.TextEncoder.Config.HiddenSize;
        if (context != hidden)
            throw new IlgdException(
                $"{folder}: the unet expects texts of {context} numbers a token (cross_attention_dim), the text_encoder gives {hidden} (hidden_size)");
        if (model.Tokenizer.Size > model.TextEncoder.Config.VocabSize)
            throw new IlgdException(
                $"{folder}: the tokenizer has {model.Tokenizer.Size} tokens, the text_encoder knows {model.TextEncoder.Config.VocabSize} (vocab_size)");
        if (model.HasVae && model.UNet.Config.InChannels != model.Vae.Config.LatentChannels)
            throw new IlgdException(
                $"{folder}: the unet takes {model.UNet.Config.InChannels} channels (in_channels), the vae makes {model.Vae.Config.LatentChannels} (latent_channels)");
    }
}
