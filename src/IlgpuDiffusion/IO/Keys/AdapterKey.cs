namespace IlgpuDiffusion.IO.Keys;

/// What a tensor of an adapter file is to its module.
public enum AdapterPart
{
    /// A of ΔW = scale · B · A, (r, in)
    Down,

    /// B, (out, r)
    Up,

    /// One number: scale = alpha / r.
    Alpha,
}

/// A key of an adapter file, read: `unet` or `text_encoder`, the published key of the module, and which of its tensors. `Name` is the module as the file
/// spells it, for messages.
public readonly record struct AdapterKey(string Component, string Module, AdapterPart Part, string Name)
{
    public const string Unet = "unet", Text = "text_encoder", SecondText = "text_encoder_2";

    const string TextPrefix = "text_model.";

    /// transformers 5 leaves out the text encoder's outer name.
    internal static AdapterKey Of(string component, string module, AdapterPart part, string name) => new(
        component, component == Text && !module.StartsWith(TextPrefix, StringComparison.Ordinal) ? TextPrefix + module : module, part, name);
}
