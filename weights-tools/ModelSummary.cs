using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.WeightsTools;

/// A part of a model: its parameters, and the bytes and storage types of its files.
sealed record ComponentSummary(string Name, int Tensors, long Parameters, long Bytes, IReadOnlyDictionary<string, int> Dtypes);

/// A model folder, loaded as a whole: its keys and shapes are those that its configs ask for.
sealed record ModelSummary(
    string Folder, IReadOnlyList<ComponentSummary> Components, int PictureSize, int TextTokens, int Vocabulary, string PredictionType, int TrainTimesteps) : ISummary
{
    public static ModelSummary Of(string folder)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel model = ModelFolder.Load(folder, device);
        List<ComponentSummary> components = [Component(folder, "unet", model.UNet.Weights), Component(folder, "text_encoder", model.TextEncoder.Weights)];
        if (model.HasVae)
            components.Add(Component(folder, "vae", model.Vae.Weights));
        return new ModelSummary(
            folder,
            components,
            (model.UNet.Config.SampleSize ?? 64) * (model.HasVae ? model.Vae.Config.Downscale : 8),
            model.TextEncoder.Config.MaxPositionEmbeddings,
            model.Tokenizer.Size,
            model.Scheduler.PredictionType.ToString().ToLowerInvariant(),
            model.Scheduler.NumTrainTimesteps);
    }

    public IEnumerable<string> Lines()
    {
        yield return $"{Folder}: a model in diffusers' layout, {Components.Sum(c => c.Parameters):N0} parameters";
        foreach (ComponentSummary c in Components)
            yield return $"  {c.Name,-13} {c.Tensors,4} tensors  {c.Parameters,12:N0} parameters  {c.Bytes,12:N0} bytes  {string.Join(", ", c.Dtypes.Select(d => $"{d.Key} {d.Value}"))}";
        yield return $"pictures    {PictureSize} x {PictureSize}";
        yield return $"text        {TextTokens} tokens of {Vocabulary:N0}";
        yield return $"noise       {TrainTimesteps} timesteps, predicts {PredictionType}";
    }

    static ComponentSummary Component(string folder, string name, Weights weights)
    {
        Dictionary<string, int> dtypes = [];
        string[] files = Directory.GetFiles(Path.Combine(folder, name), "*.safetensors");
        foreach (string path in files)
        {
            using SafetensorsReader file = new(path);
            foreach (string tensor in file.Names)
            {
                string dtype = file.Entry(tensor).DType.ToString();
                dtypes[dtype] = dtypes.GetValueOrDefault(dtype) + 1;
            }
        }

        return new ComponentSummary(name, weights.Parameters.Count, weights.Count, files.Sum(f => new FileInfo(f).Length), dtypes);
    }
}
