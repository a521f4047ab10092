using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Personalization;
using IlgpuDiffusion.Training.HyperNetworks;

namespace IlgpuDiffusion.Tests.Training.HyperNetworks;

/// A tiny model, an untrained image encoder for its pictures of 16 pixels, and settings with which a hypernetwork's step takes milliseconds.
public sealed class HyperWorkshop : IDisposable
{
    public HyperWorkshop()
    {
        using Device device = Device.Open("cpu", 1);
        using ConvEncoder encoder = NewEncoder(device);
        EncoderFolder.Save(Encoder, encoder);
    }

    public TinyModel Model { get; } = new();

    public string Encoder => Path.Combine(Model.Root, "encoder");

    public static PredictorSettings Small { get; } = new() { HiddenSize = 16, NumAttentionHeads = 2, NumHiddenLayers = 1 };

    public static HyperRecipe Recipe { get; } = new()
    {
        Predictor = Small,
        RenderedPeople = 6,
        PicturesEach = 3,
        Steps = 6,
        People = 4,
        RealShare = 0,
        ProbeEvery = 3,
        ProbePeople = 3,
        ProbePairs = 2,
    };

    public static ConvEncoder NewEncoder(Device device)
    {
        ConvEncoder encoder = new(new ConvEncoderConfig { ImageSize = 16, Channels = [8, 16, 16], EmbeddingDim = 12 });
        encoder.Weights.Allocate(device, "encoder");
        encoder.Weights.Initialize(5);
        return encoder;
    }

    public HyperInputs Inputs(string place) => new() { Model = Model.Folder, Encoder = Encoder, Out = place };

    public DiffusionModel Load(Device device) => ModelFolder.Load(Model.Folder, device);

    public void Dispose() => Model.Dispose();
}
