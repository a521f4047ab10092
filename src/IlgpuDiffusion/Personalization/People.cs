namespace IlgpuDiffusion.Personalization;

/// A folder of people: each folder in it is a person, whose photo is `neutral.png`, or else the first picture by name.
public static class People
{
    static readonly string[] Pictures = [".png", ".jpg", ".jpeg", ".webp", ".bmp"];

    /// One photo a person, in order of name. Errors: a folder that is missing or has no person in it.
    public static IReadOnlyList<string> Photos(string folder)
    {
        if (!Directory.Exists(folder))
            throw new IlgdException($"{folder}: no such folder; it should hold one folder a person");
        string[] photos = [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Select(PhotoOf).OfType<string>()];
        return photos.Length > 0 ? photos : throw new IlgdException($"{folder}: none of its folders holds a picture; it should hold one folder a person");
    }

    static string? PhotoOf(string person)
    {
        string neutral = Path.Combine(person, "neutral.png");
        return File.Exists(neutral)
            ? neutral
            : Directory.GetFiles(person).Where(f => Pictures.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal).FirstOrDefault();
    }
}
