using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// The networks that judge pictures. One that is not there makes what it would measure absent.
public sealed class Judges(IPictureEncoder? face, IPictureEncoder? dino, ICaptionEncoder? clip) : IDisposable
{
    const string Evaluators = "evaluators";

    /// Who is it?
    public IPictureEncoder? Face { get; } = face;

    /// How alike are two pictures, whatever they show?
    public IPictureEncoder? Dino { get; } = dino;

    /// Does it show what was asked for?
    public ICaptionEncoder? Clip { get; } = clip;

    /// By name, those that are there.
    public IReadOnlyDictionary<string, IPictureEncoder> Named { get; } = new (string Name, IPictureEncoder? Encoder)[] { ("face", face), ("dino", dino), ("clip", clip) }
        .Where(j => j.Encoder is not null)
        .ToDictionary(j => j.Name, j => j.Encoder!);

    /// Why a judge is absent.
    public static string WhyNot(string name) => name switch
    {
        "face" => "no face encoder: give one with --face-encoder DIR",
        "dino" => "no DINO-like encoder: give one with --dino DIR",
        _ => "no CLIP-like pair: give one with --clip DIR",
    };

    /// From the folders that are given, or else from `evaluators` in the model's folder, where they are. For faces `judge` comes before `face`: that one the
    /// hypernetwork sees with, and nobody shall be his own judge. Errors: a folder that was given and does not hold such a network.
    public static Judges Load(string? face, string? dino, string? clip, string model, Device device)
    {
        IPictureEncoder? faces = Picture(face ?? Beside(model, "judge") ?? Beside(model, "face"), device), alike = Picture(dino ?? Beside(model, "dino"), device);
        return new Judges(faces, alike, (clip ?? Beside(model, "clip")) is { } folder ? ClipPair.Load(folder, device) : null);
    }

    static PictureEncoder? Picture(string? folder, Device device) => folder is null ? null : PictureEncoder.Load(folder, device);

    static string? Beside(string model, string name) => Path.Combine(model, Evaluators, name) is var folder && Directory.Exists(folder) ? folder : null;

    public void Dispose()
    {
        foreach (IPictureEncoder encoder in Named.Values)
            encoder.Dispose();
    }
}
