using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Targets;

/// Fits the people of a folder, in groups of fixed size that are cut over any number of machines; each group is one file in `parts/`, written beside and renamed, and one that is
/// there already is not made again. Merging proves that all are there and of one recipe.
public sealed class TargetTraining(TargetRecipe recipe, string modelFolder, string peopleFolder, string outFolder, Device device, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    /// The merged file's name in the out folder.
    public const string Merged = "targets.safetensors";

    readonly string[][] groups = [.. Personalization.People.Photos(peopleFolder).Chunk(recipe.Group)];

    /// Makes the groups of this shard that are not there yet: every `Count`-th one.
    public void Fit(Shard shard)
    {
        using DiffusionModel model = ModelFolder.Load(modelFolder, device);
        string config = Config(model);
        LidbPreset preset = LidbPreset.ByName(recipe.Preset);
        using LidbSpace space = new(
            preset.Targets(model.UNet.Weights, model.TextEncoder.Weights), preset, new RandomOrthonormal(recipe.BasisSeed), recipe.BasisSeed, device);
        using Arena arena = new(device);
        TargetFitting fitting = new(model, space, recipe, new Subject().InstancePrompt, arena);
        for (int g = shard.Index; g < groups.Length; g += shard.Count)
        {
            if (IsThere(g, config))
            {
                log.WriteLine($"group {g + 1} of {groups.Length} is there");
                continue;
            }

            int size = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
            (float[] Latent, Shape Shape)[] photos = [.. groups[g].Select(path => Photo.Encode(model, arena, Photo.Fit(Photo.Face(path, null), size)))];
            ProgressLine progress = new(log, $"group {g + 1} of {groups.Length}", recipe.Steps, interactive);
            float[][] theta = fitting.Fit([.. photos.Select(p => p.Latent)], photos[0].Shape, (step, loss) =>
            {
                cancellation.ThrowIfCancellationRequested();
                progress.Report(step, $"loss {loss:0.0000}");
            });
            new TargetSet(Names(g), [.. theta.SelectMany(t => t)], config).Save(Part(g));
        }
    }

    /// Joins all parts into one file. Errors: parts that are missing, by number; parts of other people or another recipe.
    public TargetSet Merge()
    {
        using DiffusionModel model = ModelFolder.Load(modelFolder, device);
        string config = Config(model);
        int[] missing = [.. Enumerable.Range(0, groups.Length).Where(g => !IsThere(g, config))];
        if (missing.Length > 0)
        {
            throw new IlgdException($"{outFolder}: {missing.Length} of {groups.Length} parts are missing, first {Path.GetFileName(Part(missing[0]))}: "
                + "run `ilgd train targets` with the same --shard again; what is finished is skipped");
        }

        TargetSet[] parts = [.. Enumerable.Range(0, groups.Length).Select(g => TargetSet.Load(Part(g)))];
        TargetSet all = new([.. parts.SelectMany(p => p.Names)], [.. parts.SelectMany(p => p.Values)], config);
        all.Save(Path.Combine(outFolder, Merged));
        log.WriteLine($"{all.Names.Count} people of {all.Count} numbers in {Path.Combine(outFolder, Merged)}");
        return all;
    }

    /// How much of the targets is a linear function of what an image encoder says of the photos, on people left out.
    public RidgeLearnability Learnability(TargetSet targets, string encoderFolder)
    {
        using IImageEncoder encoder = EncoderFolder.LoadImage(encoderFolder, device);
        using Arena arena = new(device);
        float[][] features = [.. groups.SelectMany(g => g).Select(path => Embedding(encoder, arena, Photo.Fit(Photo.Face(path, null), encoder.ImageSize)))];
        RidgeLearnability result = RidgeLearnability.Of(features, [.. targets.Names.Select(name => targets.Of(name).ToArray())]);
        log.WriteLine($"share of the targets' energy explained on people left out: by the mean {result.ExplainedByMean:0.000}, by the photo {result.ExplainedByRidge:0.000}");
        return result;
    }

    // The token that sums the picture up.
    static float[] Embedding(IImageEncoder encoder, Arena arena, RgbImage photo)
    {
        Tape tape = new(arena, recording: false);
        Tensor picture = tape.From(Array.ConvertAll(photo.Pixels, v => (v / 127.5f) - 1), [1, photo.Height, photo.Width, 3]);
        float[] embedding = encoder.Tokens(tape, picture)[^1].ToArray();
        arena.Reset();
        return embedding;
    }

    // Errors: a part of the same number from another recipe or other people.
    bool IsThere(int group, string config)
    {
        if (!File.Exists(Part(group)))
            return false;
        TargetSet part = TargetSet.Load(Part(group));
        if (part.Config != config || !part.Names.SequenceEqual(Names(group)))
            throw new IlgdException($"{Part(group)}: made with another recipe, model or people; use another out folder");
        return true;
    }

    string Config(DiffusionModel model) => JsonSerializer.Serialize(new { recipe, base_sha256 = LidbFile.BaseHash(model) });

    string[] Names(int group) => [.. groups[group].Select(path => Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))!))];

    string Part(int group) => Path.Combine(outFolder, "parts", $"{group:00000}-of-{groups.Length:00000}.safetensors");
}
