using IlgpuDiffusion.IO.Keys;

namespace IlgpuDiffusion.Adapters;

/// A spelling of low-rank adapters in the wild. `Parse` reads a key, null where it is none of the dialect; `Spell` writes one.
public sealed record AdapterDialect(string Name, Func<string, AdapterKey?> Parse, Func<string, string, AdapterPart, string> Spell)
{
    public static AdapterDialect Kohya { get; } = new("kohya", KohyaKeys.Parse, KohyaKeys.Spell);

    public static AdapterDialect Diffusers { get; } = new("diffusers", DiffusersLoraKeys.Parse, DiffusersLoraKeys.Spell);

    /// Of its training scripts for Stable Diffusion 1.
    public static AdapterDialect DiffusersScript { get; } = new("diffusers-script", DiffusersLoraKeys.ParseScript, DiffusersLoraKeys.SpellScript);

    /// Its old attention processors.
    public static AdapterDialect DiffusersOld { get; } = new("diffusers-old", ProcessorKeys.Parse, ProcessorKeys.Spell);

    /// Folders, one a network.
    public static AdapterDialect Peft { get; } = new("peft", PeftKeys.Parse, PeftKeys.Spell);

    /// Our own compact form: `lidb.<path>.down`, `.up`.
    public const string Lidb = "lidb";

    public static IReadOnlyList<AdapterDialect> All { get; } = [Kohya, DiffusersOld, DiffusersScript, Diffusers, Peft];

    public static AdapterDialect ByName(string name) => All.FirstOrDefault(d => d.Name == name)
        ?? throw new IlgdException($"adapter dialect '{name}' is not known; use one of: {string.Join(", ", All.Select(d => d.Name))}");

    /// The dialect that a key is spelled in, and what it means there.
    public static (AdapterDialect Dialect, AdapterKey Key)? Of(string key)
    {
        foreach (AdapterDialect dialect in All)
        {
            if (dialect.Parse(key) is { } parsed)
                return (dialect, parsed);
        }

        return null;
    }

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
    ];

    /// The name of what a key belongs to, where it is no plain low-rank update; null otherwise.
    public static string? ForeignKind(string key) => Foreign.FirstOrDefault(f => key.Contains(f.Piece, StringComparison.Ordinal)).Name;
}
