using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.IO;

/// One network in a folder of its own, as transformers saves it: config.json and model.safetensors.
public static class EncoderFolder
{
    const string Config = "config.json", Model = "model.safetensors";

    public static void Save(string folder, IImageEncoder encoder, SafetensorsDType dtype = SafetensorsDType.F32) => Save(
        folder,
        encoder switch
        {
            ConvEncoder conv => conv.Config.ToJson(),
            VitModel vit => vit.Config.ToJson(),
            _ => throw new ArgumentException($"{encoder.GetType().Name} has no config.json"),
        },
        encoder.Weights,
        dtype);

    public static void Save(string folder, ClipTextModel encoder, SafetensorsDType dtype = SafetensorsDType.F32) => Save(folder, encoder.Config.ToJson(), encoder.Weights, dtype);

    /// A network for pictures, of the kind that `model_type` says. Errors: no such folder, a type that is none of them, weights that do not fit the config.
    public static IImageEncoder LoadImage(string folder, Device device)
    {
        string config = Path.Combine(folder, Config), type = TypeOf(config);
        IImageEncoder encoder = type switch
        {
            "conv_encoder" => new ConvEncoder(ConvEncoderConfig.Load(config)),
            "vit" => new VitModel(VitConfig.Load(config)),
            _ => throw new IlgdException($"{config}: model_type is '{type}'; this program knows conv_encoder and vit"),
        };
        Load(encoder.Weights, Path.Combine(folder, Model), device, type);
        return encoder;
    }

    public static ClipTextModel LoadText(string folder, Device device)
    {
        ClipTextModel encoder = new(ClipTextConfig.Load(Path.Combine(folder, Config)));
        Load(encoder.Weights, Path.Combine(folder, Model), device, "clip text");
        return encoder;
    }

    /// SHA-256 of all files below the folder that a network is read from: weights, configs, vocabularies, with their names.
    public static string Hash(string folder)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => Path.GetExtension(f) is ".json" or ".txt" or ".safetensors").Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(folder, file)));
            using FileStream stream = File.OpenRead(file);
            hash.AppendData(SHA256.HashData(stream));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    static void Save(string folder, byte[] config, Weights weights, SafetensorsDType dtype)
    {
        WeightsFile.Write(weights, Path.Combine(folder, Model), dtype);
        AtomicFile.Write(Path.Combine(folder, Config), stream => stream.Write(config));
    }

    static void Load(Weights weights, string path, Device device, string owner)
    {
        using SafetensorsReader file = new(path);
        IReadOnlyDictionary<string, string> matched = WeightsFile.Match(weights, file, name => name);
        weights.Allocate(device, owner);
        WeightsFile.Read(weights, file, matched);
    }

    static string TypeOf(string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json.RootElement.GetProperty("model_type").GetString() ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new IlgdException($"{path}: no config with a model_type: {e.Message}", e);
        }
    }
}
