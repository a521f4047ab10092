using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// What each judge sees in a list of pictures; null where that judge is not there.
sealed record Vectors(float[][]? Face, float[][]? Dino, float[][]? Clip)
{
    const string Key = "embeddings";

    public static Vectors Of(Judges judges, IReadOnlyList<RgbImage> pictures) => new(judges.Face?.Embed(pictures), judges.Dino?.Embed(pictures), judges.Clip?.Embed(pictures));

    /// Of a trial, kept beside its file by the judge's hash: another judge, trained later, looks at the same pictures.
    public static Vectors Of(Judges judges, Trial trial)
    {
        return new Vectors(Kept("face", judges.Face), Kept("dino", judges.Dino), Kept("clip", judges.Clip));

        float[][]? Kept(string name, IPictureEncoder? judge)
        {
            if (judge is null)
                return null;
            string path = $"{trial.Path[..^Path.GetExtension(trial.Path).Length]}.{name}-{judge.Hash[..12]}.safetensors";
            if (File.Exists(path))
            {
                using SafetensorsReader file = new(path);
                return [.. file.ReadFloat32(Key).Chunk(file.Shape(Key)[1])];
            }

            float[][] vectors = judge.Embed([.. trial.All]);
            SafetensorsWriter writer = new();
            writer.Add(Key, [vectors.Length, vectors[0].Length], vectors.SelectMany(v => v).ToArray());
            writer.Write(path);
            return vectors;
        }
    }

    public Vectors this[Range range] => new(Face?[range], Dino?[range], Clip?[range]);
}
