using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Adapters;

/// Textual inversion (Gal et al. 2023): new words of one or more rows of the text encoder's token table. Read are diffusers' `learned_embeds.safetensors`
/// (one key, the placeholder, with (D) or (n, D)) and kohya's `emb_params` (n, D), whose placeholder is the file's name.
public sealed record TextualInversion(string Path, string Token, int Width, float[] Rows)
{
    const string KohyaKey = "emb_params", SdxlKey = "clip_g";

    public int Vectors => Rows.Length / Width;

    /// Whether a file holds embeddings and no adapter. Errors: not a safetensors file.
    public static bool Is(string path)
    {
        if (Directory.Exists(path))
            return false;
        using SafetensorsReader file = new(path);
        return file.Contains(SdxlKey) || (file.Names.Count == 1 && file.Shape(file.Names[0]).Length is 1 or 2
            && AdapterDialect.Of(file.Names[0]) is null && AdapterDialect.ForeignKind(file.Names[0]) is null);
    }

    /// `token`: the placeholder; null is the file's own. Errors: made for SDXL, or for texts of another width than `width`, if one is given.
    public static TextualInversion Load(string path, int? width = null, string? token = null)
    {
        using SafetensorsReader file = new(path);
        if (file.Contains(SdxlKey))
            throw new IlgdException($"{path}: '{SdxlKey}' is of SDXL's second text encoder, which this model does not have");
        string key = file.Names[0];
        int[] shape = file.Shape(key);
        if (shape[^1] != (width ?? shape[^1]) || file.Entry(key).Count == 0)
            throw new IlgdException($"{path}: '{key}' is {file.Entry(key).Describe()}, made for another model: this one has {width} numbers a token");
        return new TextualInversion(path, token ?? (key == KohyaKey ? System.IO.Path.GetFileNameWithoutExtension(path) : key), shape[^1], file.ReadFloat32(key));
    }

    /// As diffusers reads it, or as kohya and A1111 do, where the file's name is the placeholder.
    public void Save(string path, bool kohya = false)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["format"] = "pt";
        writer.Add(kohya ? KohyaKey : Token, Vectors == 1 && !kohya ? [Width] : [Vectors, Width], Rows);
        writer.Write(path);
    }

    /// Makes the placeholder a word of the model. Errors: the tokenizer has that word already.
    public void AddTo(DiffusionModel model)
    {
        int id = model.TextEncoder.Tokens.Append(model.Device, Rows);
        model.Tokenizer.AddToken(Token, Vectors, id);
    }
}
