namespace IlgpuDiffusion.IO;

/// Writes a file beside its place and renames it, so that a reader sees the old file or the new one, never half of one.
public static class AtomicFile
{
    /// Creates the folder if needed. On an error the temporary file is removed and `path` is left as it was.
    public static void Write(string path, Action<Stream> write)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? throw new IlgdException($"{path}: is a folder, give a file name");
        string temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
            }

            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be written: {e.Message}", e);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
