using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Personalization;

/// First noise on disk: a safetensors file with one tensor `latents`, (N, L, h, w) as diffusers has them, standard normal.
static class LatentsFile
{
    const string Key = "latents";
    const int Most = 1 << 26;

    public static void Save(string path, int[] shape, float[] values)
    {
        SafetensorsWriter writer = new();
        writer.Add(Key, shape, values);
        writer.Write(path);
    }

    /// Errors: no `latents`, not four extents, another number of channels than the model's, far too many numbers.
    public static (int[] Shape, float[] Values) Load(string path, int channels)
    {
        using SafetensorsReader file = new(path);
        if (!file.Contains(Key))
            throw new IlgdException($"{path}: no tensor '{Key}'; it has {string.Join(", ", file.Names.Take(3).Select(n => $"'{n}'"))}");
        SafetensorsEntry entry = file.Entry(Key);
        if (entry.Shape.Length != 4 || entry.Shape[1] != channels || entry.Count is 0 or > Most)
            throw new IlgdException($"{path}: '{Key}' is {entry.Describe()}; this model's are (N, {channels}, h, w)");
        return (entry.Shape, file.ReadFloat32(Key));
    }
}
