namespace IlgpuDiffusion.Personalization;

/// A folder of people: each folder in it is a person, whose photo is `neutral.png`, or else the first picture by name.
public static class People
{
    static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp"];

    /// One photo a person, in order of name. Errors: a folder that is missing or has no person in it.
    public static IReadOnlyList<string> Photos(string folder)
    {
        string[] photos = [.. Folders(folder).SelectMany(person => Pictures(person).Take(1))];
        return photos.Length > 0 ? photos : throw new IlgdException($"{folder}: none of its folders holds a picture; it should hold one folder a person");
    }

    /// One folder a person, in order of name; hidden ones are nobody. Errors: a folder that is missing or has none in it.
    public static IReadOnlyList<string> Folders(string folder)
    {
        if (!Directory.Exists(folder))
            throw new IlgdException($"{folder}: no such folder; it should hold one folder a person");
        string[] people = [.. Directory.GetDirectories(folder).Where(f => !Path.GetFileName(f).StartsWith('.')).Order(StringComparer.Ordinal)];
        return people.Length > 0 ? people : throw new IlgdException($"{folder}: holds no folder; it should hold one folder a person");
    }

    /// All pictures in a person's folder, the photo first, the others in order of name.
    public static IReadOnlyList<string> Pictures(string person)
    {
        string neutral = Path.Combine(person, "neutral.png");
        return
        [
            .. Directory.GetFiles(person).Where(f => Extensions.Contains(Path.GetExtension(f).ToLowerInvariant()))
                .OrderBy(f => f == neutral ? 0 : 1).ThenBy(f => f, StringComparer.Ordinal),
        ];
    }
}
