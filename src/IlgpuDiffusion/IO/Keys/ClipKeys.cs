namespace IlgpuDiffusion.IO.Keys;

/// Text encoders in the wild: with `text_model.` in front (every Stable Diffusion 1 folder) or without (transformers 5 writes them so), some with a
/// buffer of positions 0, 1, 2, … that is no weight.
static class ClipKeys
{
    const string Prefix = "text_model.", VisionPrefix = "vision_model.", TextProjection = "text_projection.weight", VisionProjection = "visual_projection.weight";

    /// The picture half of a file that may hold both.
    public static string? Vision(string key) =>
        key == "logit_scale" || key == TextProjection || key.StartsWith(Prefix, StringComparison.Ordinal) || key.EndsWith(".position_ids", StringComparison.Ordinal) ? null : key;

    /// The text half, with its projection.
    public static string? Text(string key) => key == TextProjection ? key
        : key == "logit_scale" || key == VisionProjection || key.StartsWith(VisionPrefix, StringComparison.Ordinal) ? null
        : ToPublished(key);

    public static string? ToPublished(string key)
    {
        string full = key.StartsWith(Prefix, StringComparison.Ordinal) ? key : Prefix + key;
        return full == Prefix + "embeddings.position_ids" ? null : full;
    }
}
