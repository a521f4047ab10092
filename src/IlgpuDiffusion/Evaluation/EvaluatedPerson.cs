using System.Security.Cryptography;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// One person of the table: the photo that methods see, and other pictures of the same person, which only the judges see, by name without extension.
public sealed record EvaluatedPerson(string Group, string Name, string PhotoHash, RgbImage Photo, IReadOnlyDictionary<string, RgbImage> Truths)
{
    /// Everybody in a folder of people, in order of name, pictures brought to `size` pixels a side. Errors: a folder that is missing or empty, a person without a
    /// picture, a picture that cannot be read.
    public static IReadOnlyList<EvaluatedPerson> Load(string folder, int size)
    {
        string group = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return [.. Personalization.People.Folders(folder).Select(person => LoadOne(group, person, size))];
    }

    /// What a picture for this prompt should look like, if one of the truths shows it.
    public string? TruthOf(EvaluationPrompt prompt) => prompt.TruthNames.FirstOrDefault(Truths.ContainsKey);

    static EvaluatedPerson LoadOne(string group, string folder, int size)
    {
        IReadOnlyList<string> pictures = Personalization.People.Pictures(folder);
        if (pictures.Count == 0)
            throw new IlgdException($"{folder}: holds no picture of this person; put one in (neutral.png, or any name), or take the folder away");
        RgbImage Read(string path) => Personalization.Photo.Fit(Personalization.Photo.Face(path, null), size);
        Dictionary<string, RgbImage> truths = [];
        foreach (string path in pictures.Skip(1))
            truths.TryAdd(Path.GetFileNameWithoutExtension(path), Read(path));
        using FileStream photo = File.OpenRead(pictures[0]);
        return new EvaluatedPerson(group, Path.GetFileName(folder), Convert.ToHexStringLower(SHA256.HashData(photo)), Read(pictures[0]), truths);
    }
}
