using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.IO;

/// A Stable Diffusion 1 or 2 model as one safetensors file with the names of the original latent-diffusion code. Such a file has neither configs nor
/// tokenizer; they come from a folder in diffusers' layout, whose own weights, if any, are not looked at. Stable Diffusion 2's text encoder is in OpenCLIP's
/// names there, with one layer more than is gone through.
public static class SingleFile
{
    /// Errors: as of <see cref="ModelFolder.Load"/>; keys of the file that are of none of the three networks are unexpected ones.
    public static DiffusionModel Load(string path, string configs, Device device)
    {
        HashSet<string> parts = ModelFolder.ReadIndex(configs);
        using TensorSource file = new OpenClipFile(TensorSource.Open(path));
        if (!file.Names.Any(n => n.StartsWith("model.diffusion_model.", StringComparison.Ordinal)))
            throw new IlgdException($"{path}: no single-file checkpoint: no key begins with model.diffusion_model.");

        UNet unet = new(UNetConfig.Load(Path.Combine(configs, "unet", "config.json")));
        AutoencoderKL? vae = parts.Contains("vae") ? new AutoencoderKL(VaeConfig.Load(Path.Combine(configs, "vae", "config.json"))) : null;
        string textConfig = Path.Combine(configs, "text_encoder", "config.json");
        ClipTextModel text = new(ClipTextConfig.Load(textConfig));
        bool openClip = file.Names.Any(n => n.StartsWith(OpenClipKeys.Prefix, StringComparison.Ordinal));
        if (openClip && !IsOpenClip(text.Config))
        {
            throw new IlgdException($"{path}: its text encoder is in OpenCLIP's names (Stable Diffusion 2), which computes with gelu, and {textConfig} says {text.Config.HiddenAct}; "
                + "name a folder of Stable Diffusion 2 (--model-config DIR)");
        }

        (Weights Weights, string Owner, Dictionary<string, string> Ours)[] components =
        [
            (unet.Weights, "unet", Names(unet.Weights, UNetName(unet.Config))),
            .. vae is null ? [] : new[] { (vae.Weights, "vae", Names(vae.Weights, key => LdmKeys.Autoencoder(key, vae.Config.BlockOutChannels.Length))) },
            (text.Weights, "text_encoder", Names(text.Weights, openClip ? OpenClipKeys.TextEncoder : LdmKeys.TextEncoder)),
        ];
        try
        {
            // A key that belongs to no component is reported with the first one's.
            HashSet<string> elsewhere = [.. components[1..].SelectMany(c => c.Ours.Keys)];
            foreach ((Weights weights, string owner, Dictionary<string, string> ours) in components)
            {
                bool first = owner == "unet";
                IReadOnlyDictionary<string, string> matched = WeightsFile.Match(
                    weights, file, key => ours.GetValueOrDefault(key) ?? (first && !elsewhere.Contains(key) && !IsBeside(key) ? key : null), LdmKeys.IsPointwise);
                weights.Allocate(device, owner);
                WeightsFile.Read(weights, file, matched);
            }

            DiffusionModel model = new(
                unet, vae, text, Path.Combine(configs, "tokenizer"), SchedulerConfig.Load(Path.Combine(configs, "scheduler", "scheduler_config.json")), device);
            ModelFolder.CheckTogether(path, model);
            return model;
        }
        catch
        {
            foreach ((Weights weights, _, _) in components)
                weights.Dispose();
            throw;
        }

        bool IsBeside(string key) => LdmKeys.IsBeside(key) || OpenClipKeys.IsBeside(key, text.Config.NumHiddenLayers);
    }

    /// Writes the three networks as one file. Stable Diffusion 2's text encoder comes without the last layer, which a folder does not have and no reader goes through.
    /// Errors: a model without a VAE.
    public static void Save(DiffusionModel model, string path, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["format"] = "pt";
        Add(model.UNet.Weights, UNetName(model.UNet.Config));
        Add(model.Vae.Weights, key => LdmKeys.Autoencoder(key, model.Vae.Config.BlockOutChannels.Length));
        Add(model.TextEncoder.Weights, IsOpenClip(model.TextEncoder.Config) ? OpenClipKeys.TextEncoder : LdmKeys.TextEncoder);
        writer.Write(path);

        void Add(Weights weights, Func<string, string> name)
        {
            // One parameter a tensor, but where the file packs three into one.
            foreach (IGrouping<string, Parameter> packed in weights.Parameters.OrderBy(p => OpenClipKeys.Packed(name(p.Name)).Third).GroupBy(p => OpenClipKeys.Packed(name(p.Name)).Key))
            {
                Parameter[] parts = [.. packed];
                int[] shape = parts[0].Published.Dims.ToArray();
                shape[0] *= parts.Length;
                writer.Add(packed.Key, LdmKeys.IsPointwise(packed.Key) ? [.. shape, 1, 1] : shape, () => Published(parts), dtype);
            }
        }
    }

    static float[] Published(Parameter[] parts) =>
        parts is [Parameter one] ? one.ToPublished(one.Value.ToArray()) : [.. parts.SelectMany(p => p.ToPublished(p.Value.ToArray()))];

    // The activation tells the two text encoders apart: OpenAI's CLIP (Stable Diffusion 1) has quick_gelu.
    static bool IsOpenClip(ClipTextConfig config) => config.HiddenAct == "gelu";

    static Func<string, string> UNetName(UNetConfig config) =>
        key => LdmKeys.UNet(key, config.LayersPerBlock, i => config.UpBlockTypes[i] == "CrossAttnUpBlock2D");

    // The file's key -> ours.
    static Dictionary<string, string> Names(Weights weights, Func<string, string> name) => weights.Parameters.ToDictionary(p => name(p.Name), p => p.Name);
}
