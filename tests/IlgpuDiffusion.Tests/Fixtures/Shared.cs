namespace IlgpuDiffusion.Tests.Fixtures;

/// The shared folder with fixtures and data: `ILGD_SHARED`, by default `../shared` beside the repository. Where there is none, `tests/fixtures` has copies of
/// the main golden numbers.
public static class Shared
{
    /// Full path, or null where it is missing.
    public static string? Folder { get; } = Find();

    static string? Copies { get; } = Repository() is { } root ? Path.Combine(root, "tests", "fixtures") : null;

    /// Full path of a file or folder in the shared folder, e.g. Require("fixtures", "ops", "norms.safetensors").
    /// Skips the test, with the reason, where it is missing.
    public static string Require(params string[] relative)
    {
        if (Folder is null && Copies is not null && relative[0] == "fixtures" && Path.Combine([Copies, .. relative[1..]]) is var copy && Path.Exists(copy))
            return copy;
        if (Folder is null)
            Assert.Skip($"no shared folder for {string.Join('/', relative)}: set ILGD_SHARED or put it beside the repository as ../shared");
        string path = Path.Combine([Folder, .. relative]);
        if (!Path.Exists(path))
            Assert.Skip($"{path} is missing");
        return path;
    }

    static string? Find()
    {
        string? folder = Environment.GetEnvironmentVariable("ILGD_SHARED");
        if (string.IsNullOrEmpty(folder))
            folder = Repository() is { } root ? Path.Combine(root, "..", "shared") : null;
        return folder is not null && Directory.Exists(folder) ? Path.GetFullPath(folder) : null;
    }

    internal static string? Repository()
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "IlgpuDiffusion.sln")))
            root = root.Parent;
        return root?.FullName;
    }
}
