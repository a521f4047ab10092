using System.Runtime.InteropServices;
using System.Security.Cryptography;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// LiDB as it was learned, a few numbers a layer: `lidb.<path>.down` is A_trainᵀ (r, a), `lidb.<path>.up` is B_trainᵀ (b, r); the header's
/// `lidb_a`, `lidb_b`, `lidb_rank` and `lidb_seed` say which frozen bases they stand between, `lidb_base_sha256` on which model.
public static class LidbFile
{
    /// The key of a hypernetwork's prediction, (L, a + b).
    public const string Theta = Prefix + "theta";

    const string Prefix = "lidb.";

    /// Whether a file is in this form. Errors: not a safetensors file.
    public static bool Is(string path)
    {
        if (Directory.Exists(path))
            return false;
        using SafetensorsReader file = new(path);
        return file.Names.Count > 0 && file.Names.All(n => n.StartsWith(Prefix, StringComparison.Ordinal));
    }

    /// `a`, `b`: the bases' sizes asked for (a narrower layer has fewer)   `baseHash`: <see cref="BaseHash"/> of the frozen model
    public static void Save(string path, AdapterSet adapter, int a, int b, int rank, ulong seed, string baseHash)
    {
        SafetensorsWriter writer = new();
        for (int i = 0; i < adapter.Targets.Count; i++)
        {
            Lidb lidb = (Lidb)adapter.Adapters[i];
            int ownA = lidb.ATrain.Shape[0], ownB = lidb.BTrain.Shape[1];
            writer.Add($"{Prefix}{adapter.Targets[i].Path}.down", [rank, ownA], Transposed(lidb.ATrain.Value.ToArray(), ownA, rank));
            writer.Add($"{Prefix}{adapter.Targets[i].Path}.up", [ownB, rank], Transposed(lidb.BTrain.Value.ToArray(), rank, ownB));
        }

        writer.Metadata["lidb_a"] = $"{a}";
        writer.Metadata["lidb_b"] = $"{b}";
        writer.Metadata["lidb_rank"] = $"{rank}";
        writer.Metadata["lidb_seed"] = $"{seed}";
        writer.Metadata["lidb_base_sha256"] = baseHash;
        writer.Write(path);
    }

    /// Makes the bases again and multiplies out. Errors: another base model, missing or left-over keys, wrong shapes.
    public static AdapterFile Load(string path, DiffusionModel model)
    {
        using SafetensorsReader file = new(path);
        if (file.Contains(Theta))
            throw new IlgdException($"{path}: a prediction, which says nothing without its hypernetwork: use the adapter.safetensors beside it, which holds it multiplied out");
        int a = Number(file, "lidb_a"), b = Number(file, "lidb_b"), rank = Number(file, "lidb_rank");
        if (!ulong.TryParse(file.Metadata.GetValueOrDefault("lidb_seed"), out ulong seed))
            throw new IlgdException($"{path}: the header has no lidb_seed, so the bases cannot be made again");
        if (file.Metadata.TryGetValue("lidb_base_sha256", out string? learnedOn) && learnedOn != BaseHash(model))
            throw new IlgdException($"{path}: learned on another base model (lidb_base_sha256 {learnedOn[..Math.Min(12, learnedOn.Length)]}…): load that one");

        List<AdapterTarget> targets = [.. AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights)];
        HashSet<string> left = [.. file.Names];
        using AdapterSet set = AdapterSet.Lidb(targets, a, b, rank, new RandomOrthonormal(seed), seed, model.Device);
        for (int i = 0; i < targets.Count; i++)
        {
            Lidb lidb = (Lidb)set.Adapters[i];
            Fill(file, left, $"{Prefix}{targets[i].Path}.down", lidb.ATrain);
            Fill(file, left, $"{Prefix}{targets[i].Path}.up", lidb.BTrain);
        }

        if (left.Count > 0)
            throw new IlgdException($"{path}: {left.Count} keys belong to no layer of this model, first '{left.Order(StringComparer.Ordinal).First()}'");
        using Arena arena = new(model.Device);
        Autograd.Tape tape = new(arena, recording: false);
        List<AdapterModule> modules = [];
        for (int i = 0; i < targets.Count; i++)
        {
            LowRankFactors f = set.Adapters[i].Factors(tape);
            modules.Add(new AdapterModule(targets[i].Component, targets[i].Key, rank, f.Scale * rank, f.Scale, f.Down.ToArray(), f.Up.ToArray()));
        }

        return new AdapterFile(path, AdapterDialect.Lidb, modules, new Dictionary<string, string>(file.Metadata));
    }

    /// SHA-256 over the float32 values of all weights of UNet and text encoder, in published order: the same for every storage type that holds them exactly.
    public static string BaseHash(DiffusionModel model)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Weights weights in (ReadOnlySpan<Weights>)[model.UNet.Weights, model.TextEncoder.Weights])
        {
            int longest = (int)weights.Parameters.Max(p => p.Shape.Count);
            float[] held = new float[longest], published = new float[longest];
            foreach (Parameter p in weights.Parameters)
            {
                Span<float> values = held.AsSpan(0, (int)p.Shape.Count);
                p.Value.CopyTo(values);
                hash.AppendData(MemoryMarshal.AsBytes(p.ToPublished(values, published)));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    static void Fill(SafetensorsReader file, HashSet<string> left, string key, Parameter p)
    {
        if (!left.Remove(key))
            throw new IlgdException($"{file.Path}: '{key}' is missing");
        int[] expected = [p.Shape[1], p.Shape[0]];
        if (!file.Shape(key).SequenceEqual(expected))
            throw new IlgdException($"{file.Path}: '{key}' is {file.Entry(key).Describe()}; expected [{expected[0]}, {expected[1]}]");
        p.Value.CopyFrom(Transposed(file.ReadFloat32(key), expected[0], expected[1]));
    }

    static int Number(SafetensorsReader file, string key) =>
        int.TryParse(file.Metadata.GetValueOrDefault(key), out int value) && value is > 0 and <= 1 << 14
            ? value
            : throw new IlgdException($"{file.Path}: the header's {key} is '{file.Metadata.GetValueOrDefault(key)}'; expected 1 to {1 << 14}");

    // (rows, columns) as (columns, rows)
    static float[] Transposed(float[] values, int rows, int columns)
    {
        float[] result = new float[values.Length];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                result[(c * rows) + r] = values[(r * columns) + c];
        }

        return result;
    }
}
