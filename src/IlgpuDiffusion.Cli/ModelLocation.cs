namespace IlgpuDiffusion.Cli;

/// Where the model that ships lies: in the clone that holds the program or the working directory.
static class ModelLocation
{
    const string Solution = "IlgpuDiffusion.sln", Shipped = "weights-tools/face-mini";

    /// Errors: no clone around, or one without the model.
    public static string Default()
    {
        foreach (string start in (ReadOnlySpan<string>)[AppContext.BaseDirectory, Environment.CurrentDirectory])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                if (!File.Exists(Path.Combine(folder.FullName, Solution)))
                    continue;
                string model = Path.Combine(folder.FullName, Shipped);
                return Directory.Exists(model) ? model : throw new IlgdException($"{model}: the model that ships is not there; give another with --model DIR");
            }
        }

        throw new IlgdException($"no {Solution} above {AppContext.BaseDirectory} or the working directory, so the model that ships was not found; give one with --model DIR");
    }
}
