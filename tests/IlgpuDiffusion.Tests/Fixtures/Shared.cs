namespace IlgpuDiffusion.Tests.Fixtures;

/// The shared folder with fixtures and data: `ILGD_SHARED`, by default `../shared` beside the repository.
public static class Shared
{
    /// Full path, or null where it is missing.
    public static string? Folder { get; } = Find();

    /// Full path of a file or folder in the shared folder, e.g. Require("fixtures", "ops", "norms.safetensors").
    /// Skips the test, with the reason, where it is missing.
    public static string Require(params string[] relative)
    {
        if (Folder is null)
            Assert.Skip("no shared folder: set ILGD_SHARED or put it beside the repository as ../shared");
        string path = Path.Combine([Folder, .. relative]);
        if (!Path.Exists(path))
            Assert.Skip($"{path} is missing");
        return path;
    }

    static string? Find()
    {
        string? folder = Environment.GetEnvironmentVariable("ILGD_SHARED");
        if (string.IsNullOrEmpty(folder))
        {
            DirectoryInfo? root = new(AppContext.BaseDirectory);
            while (root is not null && !File.Exists(Path.Combine(root.FullName, "IlgpuDiffusion.sln")))
                root = root.Parent;
            folder = root is null ? null : Path.Combine(root.FullName, "..", "shared");
        }

        return folder is not null && Directory.Exists(folder) ? Path.GetFullPath(folder) : null;
    }
}
