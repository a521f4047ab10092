namespace IlgpuDiffusion.Adapters;

/// The spellings of low-rank adapters in the wild, told from how a key ends. `Module` is what stands before the ending.
public sealed record AdapterDialect(string Name, string Down, string Up)
{
    public static AdapterDialect Kohya { get; } = new("kohya", ".lora_down.weight", ".lora_up.weight");

    /// Our own compact form: `lidb.<path>.down`, `.up`.
    public const string Lidb = "lidb";

    public static IReadOnlyList<AdapterDialect> All { get; } =
    [
        Kohya,
        new("diffusers text encoder", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
        new("diffusers", ".lora.down.weight", ".lora.up.weight"),
        new("diffusers, old attention processors", "_lora.down.weight", "_lora.up.weight"),
        new("PEFT", ".lora_A.weight", ".lora_B.weight"),
    ];

    // What is not ΔW = scale · up · down, by a piece of a key.
    static readonly (string Piece, string Name)[] Foreign =
    [
        (".dora_scale", "DoRA"),
        (".lora_magnitude_vector", "DoRA"),
        (".lora_mid.", "LoCon with a Tucker core"),
        (".hada_", "LyCORIS LoHa"),
        (".lokr_", "LyCORIS LoKr"),
        (".on_input", "LyCORIS (IA)3"),
        (".oft_", "OFT"),
        (".a1.weight", "LyCORIS GLoRA"),
        (".diff", "LyCORIS full difference"),
        ("emb_params", "textual inversion"),
    ];

    /// The name of what a key belongs to, where it is no plain low-rank update; null otherwise.
    public static string? ForeignKind(string key) => Foreign.FirstOrDefault(f => key.Contains(f.Piece, StringComparison.Ordinal)).Name;
}
