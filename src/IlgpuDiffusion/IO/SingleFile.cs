using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.IO;

/// A Stable Diffusion 1 model as one safetensors file with the names of the original latent-diffusion code. Such a file has neither configs nor
/// tokenizer; they come from a folder in diffusers' layout, whose own weights, if any, are not looked at.
public static class SingleFile
{
    /// Errors: as of <see cref="ModelFolder.Load"/>; keys of the file that are of none of the three networks are unexpected ones.
    public static DiffusionModel Load(string path, string configs, Device device)
    {
        HashSet<string> parts = ModelFolder.ReadIndex(configs);
        using TensorSource file = TensorSource.Open(path);
        if (file.Names.FirstOrDefault(n => n.StartsWith(LdmKeys.OpenClip, StringComparison.Ordinal)) is { } openClip)
            throw new IlgdException($"{path}: '{openClip}' is of a text encoder in OpenCLIP's names (Stable Diffusion 2); save the model as a folder with diffusers first");
        if (!file.Names.Any(n => n.StartsWith("model.diffusion_model.", StringComparison.Ordinal)))
            throw new IlgdException($"{path}: no single-file checkpoint: no key begins with model.diffusion_model.");

        UNet unet = new(UNetConfig.Load(Path.Combine(configs, "unet", "config.json")));
        AutoencoderKL? vae = parts.Contains("vae") ? new AutoencoderKL(VaeConfig.Load(Path.Combine(configs, "vae", "config.json"))) : null;
        ClipTextModel text = new(ClipTextConfig.Load(Path.Combine(configs, "text_encoder", "config.json")));
        (Weights Weights, string Owner, Dictionary<string, string> Ours)[] components =
        [
            (unet.Weights, "unet", Names(unet.Weights, UNetName(unet.Config))),
            .. vae is null ? [] : new[] { (vae.Weights, "vae", Names(vae.Weights, key => LdmKeys.Autoencoder(key, vae.Config.BlockOutChannels.Length))) },
            (text.Weights, "text_encoder", Names(text.Weights, LdmKeys.TextEncoder)),
        ];
        try
        {
            // A key that belongs to no component is reported with the first one's.
            HashSet<string> elsewhere = [.. components[1..].SelectMany(c => c.Ours.Keys)];
            foreach ((Weights weights, string owner, Dictionary<string, string> ours) in components)
            {
                bool first = owner == "unet";
                IReadOnlyDictionary<string, string> matched = WeightsFile.Match(
                    weights, file, key => ours.GetValueOrDefault(key) ?? (first && !elsewhere.Contains(key) && !LdmKeys.IsBeside(key) ? key : null), LdmKeys.IsPointwise);
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
    }

    /// Writes the three networks as one file. Errors: a model without a VAE.
    public static void Save(DiffusionModel model, string path, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["format"] = "pt";
        Add(model.UNet.Weights, UNetName(model.UNet.Config));
        Add(model.Vae.Weights, key => LdmKeys.Autoencoder(key, model.Vae.Config.BlockOutChannels.Length));
        Add(model.TextEncoder.Weights, LdmKeys.TextEncoder);
        writer.Write(path);

        void Add(Weights weights, Func<string, string> name)
        {
            foreach (Parameter p in weights.Parameters)
            {
                string key = name(p.Name);
                int[] shape = p.Published.Dims.ToArray();
                writer.Add(key, LdmKeys.IsPointwise(key) ? [.. shape, 1, 1] : shape, () => p.ToPublished(p.Value.ToArray()), dtype);
            }
        }
    }

    static Func<string, string> UNetName(UNetConfig config) =>
        key => LdmKeys.UNet(key, config.LayersPerBlock, i => config.UpBlockTypes[i] == "CrossAttnUpBlock2D");

    // The file's key -> ours.
    static Dictionary<string, string> Names(Weights weights, Func<string, string> name) => weights.Parameters.ToDictionary(p => name(p.Name), p => p.Name);
}
