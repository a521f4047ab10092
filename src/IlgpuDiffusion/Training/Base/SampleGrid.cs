using IlgpuDiffusion.Diagnostics.Report;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Base;

/// Pictures for fixed prompts and seeds, to look at while a model trains.
public static class SampleGrid
{
    public static IReadOnlyList<string> Prompts { get; } =
    [
        "a portrait of a man's face with short brown hair",
        "a picture of a woman's face with long red hair",
        "a photo of a face",
        "a photo of a woman's face smiling",
        "an image of a face wearing a red hat",
        "a photo of a face wearing a red hat",
        "a picture of a face wearing glasses",
        "a photo of a face on a beach",
        "a face in snow",
        "a face in a city at night",
        "a pencil sketch of a face",
        "pixel art of a face",
        "pop art of a face",
        "a watercolor of a face",
        "a black and white picture of a face",
        "an impressionist painting of a face",
    ];

    public static void Save(DiffusionModel model, Arena arena, string path)
    {
        int size = FaceMini.PictureSize;
        TextToImageRequest request = new() { Prompts = Prompts, Width = size, Height = size, Steps = 20, GuidanceScale = 3 };
        RgbImage[] pictures = new TextToImage(model, arena).Run(request, new DdimScheduler(model.Scheduler), seed: 0);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        ImageFile.SavePng(path, ContactSheet.Make(pictures, columns: 8));
    }
}
