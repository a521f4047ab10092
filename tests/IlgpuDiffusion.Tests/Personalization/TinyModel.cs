using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Personalization;

/// A model folder small enough that a whole personalisation takes a second, with face-mini's words, random weights and pictures of 16 x 16; and a rendered
/// photo. Made in a folder of its own, so these tests need nothing shared.
public sealed class TinyModel : IDisposable
{
    public TinyModel()
    {
        Directory.CreateDirectory(Root);
        float[] face = FaceRenderer.Render(FaceIdentity.Sample(FaceIdentity.FirstHeldOut), FaceNuisance.Plain, new FaceContext(), 48);
        ImageFile.SavePng(Photo, new RgbImage(48, 48, Array.ConvertAll(face, v => (byte)(v * 255))));

        using Device device = Device.Open("cpu", 1);
        WordVocabulary words = WordVocabulary.FaceMini;
        words.Save(Path.Combine(Folder, "tokenizer"));
        UNet unet = new(new UNetConfig
        {
            SampleSize = 8,
            BlockOutChannels = [16, 32],
            LayersPerBlock = 1,
            DownBlockTypes = ["CrossAttnDownBlock2D", "DownBlock2D"],
            UpBlockTypes = ["UpBlock2D", "CrossAttnUpBlock2D"],
            NormNumGroups = 8,
            CrossAttentionDim = 32,
            AttentionHeadDim = [2],
        });
        AutoencoderKL vae = new(new VaeConfig { BlockOutChannels = [16, 16], NormNumGroups = 8, MidBlockAddAttention = false, ScalingFactor = 1 });
        ClipTextModel text = new(new ClipTextConfig
        {
            VocabSize = words.Count,
            HiddenSize = 32,
            IntermediateSize = 64,
            NumHiddenLayers = 1,
            NumAttentionHeads = 2,
            MaxPositionEmbeddings = Captions.MaxTokens,
            BosTokenId = words.BeginId,
            EosTokenId = words.EndId,
            PadTokenId = words.EndId,
        });
        unet.Weights.Allocate(device, "unet");
        vae.Weights.Allocate(device, "vae");
        text.Weights.Allocate(device, "text_encoder");
        unet.Weights.Initialize(1);
        vae.Weights.Initialize(2);
        text.Weights.Initialize(3);
        using DiffusionModel model = new(unet, vae, text, Path.Combine(Folder, "tokenizer"), SchedulerConfig.StableDiffusion, device);
        ModelFolder.Save(model, Folder);
    }

    /// Everything of a test goes below this.
    public string Root { get; } = Path.Combine(Path.GetTempPath(), $"ilgd-tests-{Guid.NewGuid():N}");

    public string Folder => Path.Combine(Root, "model");

    public string Photo => Path.Combine(Root, "photo.png");

    /// A place that nothing has been written to.
    public string NewPlace() => Path.Combine(Root, $"out-{Guid.NewGuid():N}");

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
