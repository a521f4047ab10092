using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// What a path on the command line is.
static class PathKind
{
    /// A model folder, or a single-file checkpoint. Errors: neither a folder nor a safetensors file.
    public static bool IsModel(string path)
    {
        if (Directory.Exists(path))
            return File.Exists(Path.Combine(path, "model_index.json"));
        using SafetensorsReader file = new(path);
        return file.Names.Any(n => n.StartsWith("model.diffusion_model.", StringComparison.Ordinal));
    }

    /// Whether a file's keys, or a folder's files, are those of an adapter, of any kind.
    public static bool IsAdapter(string path)
    {
        if (Directory.Exists(path))
            return !IsModel(path);
        using SafetensorsReader file = new(path);
        return LidbFile.Is(path) || file.Names.Any(n => AdapterDialect.ForeignKind(n) is not null || AdapterDialect.Of(n) is not null);
    }

    /// Reads an adapter; the compact LiDB form needs the model that it was learned on.
    public static AdapterFile ReadAdapter(string path, string? model)
    {
        if (!LidbFile.Is(path))
            return AdapterFile.Read(path);
        if (model is null)
            throw new IlgdException($"{path}: compact LiDB stands between bases of its model: name that with --model DIR");
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model, device);
        return LidbFile.Load(path, loaded);
    }
}
