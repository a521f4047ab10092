namespace IlgpuDiffusion.IO.Keys;

/// Text encoders in the wild: with `text_model.` in front (every Stable Diffusion 1 folder) or without (transformers 5 writes them so), some with a
/// buffer of positions 0, 1, 2, … that is no weight.
static class ClipKeys
{
    const string Prefix = "text_model.";

    public static string? ToPublished(string key)
    {
        string full = key.StartsWith(Prefix, StringComparison.Ordinal) ? key : Prefix + key;
        return full == Prefix + "embeddings.position_ids" ? null : full;
    }
}
