namespace IlgpuDiffusion.IO;

/// A folder that is filled beside its place and moved there when all is done, file by file: files that were there and are not written again stay.
/// Disposed before <see cref="Commit"/>, nothing of it is left, nor of the parent folders that it made.
public sealed class StagedFolder : IDisposable
{
    readonly List<string> made = [];

    /// Errors: the place is a file, or nothing can be written beside it. Known before the work begins.
    public StagedFolder(string target)
    {
        Target = System.IO.Path.GetFullPath(target).TrimEnd(System.IO.Path.DirectorySeparatorChar);
        Path = $"{Target}.partial-{Environment.ProcessId}";
        if (System.IO.File.Exists(Target))
            throw new IlgdException($"{target}: is a file; give a folder to write into");
        try
        {
            for (string? parent = System.IO.Path.GetDirectoryName(Target); parent is not null && !Directory.Exists(parent); parent = System.IO.Path.GetDirectoryName(parent))
                made.Add(parent);
            Directory.CreateDirectory(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Dispose();
            throw new IlgdException($"{target}: cannot be written: {e.Message}", e);
        }
    }

    /// Where the files belong.
    public string Target { get; }

    /// Where they are written until then.
    public string Path { get; }

    /// Path of a file in the stage, by its place in the folder.
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// Moves every file to its place, over what is there.
    public void Commit()
    {
        foreach (string file in Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string place = System.IO.Path.Combine(Target, System.IO.Path.GetRelativePath(Path, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(place)!);
            System.IO.File.Move(file, place, overwrite: true);
        }

        made.Clear();
    }

    public void Dispose()
    {
        if (Directory.Exists(Path))
            Directory.Delete(Path, recursive: true);
        foreach (string parent in made)
        {
            if (Directory.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
                Directory.Delete(parent);
        }
    }
}
