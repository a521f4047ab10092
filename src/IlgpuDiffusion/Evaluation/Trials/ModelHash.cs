using System.Runtime.InteropServices;
using System.Security.Cryptography;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Evaluation;

/// SHA-256 of all that a model's pictures depend on: the weights of its three networks, the scheduler's settings, the tokenizer's files.
static class ModelHash
{
    public static string Of(DiffusionModel model)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Convert.FromHexString(LidbFile.BaseHash(model)));
        foreach (Parameter p in model.Vae.Weights.Parameters)
            hash.AppendData(MemoryMarshal.AsBytes(p.ToPublished(p.Value.ToArray()).AsSpan()));
        hash.AppendData(model.Scheduler.ToJson());
        foreach (string file in Directory.GetFiles(model.TokenizerFolder).Order(StringComparer.Ordinal))
            hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
