using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// A hypernetwork with what is around it: the frozen image encoder before it and the space of people behind it. From a picture of a face to that person's weights.
public sealed class PersonPredictor : IDisposable
{
    /// Its folder in the folder of the model it belongs to.
    public const string FolderName = "hypernetwork";

    /// The hypernetwork that lies in a model's folder, or null.
    public static string? In(string modelFolder) => Path.Combine(modelFolder, FolderName) is var folder && Directory.Exists(folder) ? folder : null;

    /// The folder of the image encoder in its own.
    public const string EncoderName = "encoder";

    const string Config = "config.json", SettingsName = "settings.json", Network = "model.safetensors", MeanName = "mean.safetensors", Bases = "bases.safetensors";

    static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    PersonPredictor(IImageEncoder encoder, HyperNetwork hyper, LidbSpace space, PredictorSettings settings)
    {
        Encoder = encoder;
        Hyper = hyper;
        Space = space;
        Settings = settings;
    }

    public IImageEncoder Encoder { get; }

    public HyperNetwork Hyper { get; }

    public LidbSpace Space { get; }

    public PredictorSettings Settings { get; }

    /// Declares and allocates a network for this model; its values are not set. Takes the encoder over.
    public static PersonPredictor Create(DiffusionModel model, IImageEncoder encoder, PredictorSettings settings, IBasis basis)
    {
        LidbSpace space = SpaceOf(model, settings, basis);
        IEnumerable<TokenGroup> groups = settings.OneFaceToken ? encoder.Groups.TakeLast(1) : encoder.Groups;
        HyperNetwork hyper = new(new HyperNetworkConfig
        {
            Layers = space.Targets.Count,
            Outputs = space.Width,
            Memory = [.. groups.Select(g => new[] { g.Tokens, g.Features })],
            HiddenSize = settings.HiddenSize,
            NumAttentionHeads = settings.NumAttentionHeads,
            IntermediateSize = 4 * settings.HiddenSize,
            NumHiddenLayers = settings.NumHiddenLayers,
            Refinements = settings.Refinements,
            Concatenated = settings.OneFaceToken,
        });
        hyper.Allocate(model.Device);
        return new PersonPredictor(encoder, hyper, space, settings);
    }

    /// pictures: (B, S, S, 3) in [−1, 1], S the encoder's size   `refinements`: another s than it was trained with, 0 for its own   returns θ, (L, B, a + b)
    public Tensor Predict(Tape tape, Tensor pictures, int refinements = 0)
    {
        IReadOnlyList<Tensor> tokens = Encoder.Tokens(tape, pictures);
        return Hyper.Forward(tape, Settings.OneFaceToken ? [tokens[^1]] : tokens, refinements);
    }

    /// What the frozen encoder says of a picture in the one token that a network of <see cref="PredictorSettings.OneFaceToken"/> sees, on the host: a trainer asks once a picture.
    public float[] FaceToken(Arena arena, RgbImage picture)
    {
        Tape tape = new(arena, recording: false);
        float[] token = Encoder.Tokens(tape, Fitted(tape, picture))[^1].ToArray();
        arena.Reset();
        return token;
    }

    /// faces: of <see cref="FaceToken"/>, one each   returns θ, (L, B, a + b)   Errors: a network that sees more than one token.
    public Tensor PredictFrom(Tape tape, IReadOnlyList<float[]> faces) => Settings.OneFaceToken
        ? Hyper.Forward(tape, [tape.From([.. faces.SelectMany(face => face)], [faces.Count, 1, faces[0].Length])])
        : throw new InvalidOperationException("this network sees all of the encoder's tokens");

    /// One person's θ, layer by layer, from one picture.
    public float[] Predict(Arena arena, RgbImage picture, int refinements = 0)
    {
        Tape tape = new(arena, recording: false);
        float[] theta = Predict(tape, Fitted(tape, picture), refinements).ToArray();
        arena.Reset();
        return theta;
    }

    // (1, S, S, 3) in [−1, 1]
    Tensor Fitted(Tape tape, RgbImage picture)
    {
        RgbImage fitted = Photo.Fit(picture, Encoder.ImageSize);
        return tape.From(Array.ConvertAll(fitted.Pixels, v => (v / 127.5f) - 1), [1, fitted.Height, fitted.Width, 3]);
    }

    /// One person's update of this model, from one picture.
    public PredictedUpdate Update(Arena arena, RgbImage picture, int refinements = 0)
    {
        float[] theta = Predict(arena, picture, refinements);
        return new PredictedUpdate(Space.Targets, Space.Multiplied(arena, theta), theta);
    }

    /// Random bases that were not learned are made again from their seed and need no file. `dtype`: how weights are stored
    public void Save(string folder, string baseHash, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        if (!FromSeed(Settings))
            WeightsFile.Write(Space.Bases, Path.Combine(folder, Bases), dtype);
        WeightsFile.Write(Hyper.Weights, Path.Combine(folder, Network), dtype);
        WeightsFile.Write(Hyper.Mean, Path.Combine(folder, MeanName), dtype);
        EncoderFolder.Save(Path.Combine(folder, EncoderName), Encoder, dtype);
        AtomicFile.Write(Path.Combine(folder, SettingsName), stream => JsonSerializer.Serialize(stream, new Saved(Settings, baseHash), Json));
        AtomicFile.Write(Path.Combine(folder, Config), stream => stream.Write(Hyper.Config.ToJson()));
    }

    /// Errors: no such folder, files that do not fit together, a hypernetwork of another base model.
    public static PersonPredictor Load(string folder, DiffusionModel model)
    {
        Saved saved = ReadSettings(Path.Combine(folder, SettingsName));
        // A device that plans holds no weights to know the model by.
        if (!model.Device.Plans && saved.BaseSha256 != LidbFile.BaseHash(model))
            throw new IlgdException($"{folder}: this hypernetwork belongs to another base model (base_sha256 {saved.BaseSha256[..Math.Min(12, saved.BaseSha256.Length)]}…): load that one");
        HyperNetwork hyper = new(HyperNetworkConfig.Load(Path.Combine(folder, Config)));
        // Whatever the bases started as, what they are now is in the file.
        LidbSpace space = SpaceOf(model, saved.Settings, new RandomOrthonormal(saved.Settings.BasisSeed));
        hyper.Allocate(model.Device);
        Read(hyper.Weights, Path.Combine(folder, Network));
        Read(hyper.Mean, Path.Combine(folder, MeanName));
        if (!FromSeed(saved.Settings))
            Read(space.Bases, Path.Combine(folder, Bases));
        return new PersonPredictor(EncoderFolder.LoadImage(Path.Combine(folder, EncoderName), model.Device), hyper, space, saved.Settings);
    }

    static bool FromSeed(PredictorSettings settings) => settings.Basis == "random" && !settings.LearnBases;

    static LidbSpace SpaceOf(DiffusionModel model, PredictorSettings settings, IBasis basis)
    {
        LidbPreset preset = LidbPreset.ByName(settings.Preset);
        return new LidbSpace(preset.Targets(model.UNet.Weights, model.TextEncoder.Weights), preset, basis, settings.BasisSeed, model.Device, settings.SharedStart);
    }

    static void Read(Weights weights, string path)
    {
        using SafetensorsReader file = new(path);
        WeightsFile.Read(weights, file, WeightsFile.Match(weights, file, name => name));
    }

    static Saved ReadSettings(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Saved>(File.ReadAllBytes(path), Json) ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new IlgdException($"{path}: no settings of a hypernetwork: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        Space.Dispose();
        Hyper.Dispose();
        Encoder.Dispose();
    }

    sealed record Saved(PredictorSettings Settings, string BaseSha256);
}
