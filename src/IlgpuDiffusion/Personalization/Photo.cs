using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// From a photo on disk to the latent that a model is finetuned on.
public static class Photo
{
    /// Fewer pixels show no face.
    public const int SmallestCrop = 16;

    /// The face as a square of its own pixels. Errors: no picture, a box that leaves it, fewer than <see cref="SmallestCrop"/> pixels a side.
    public static RgbImage Face(string path, CropBox? box)
    {
        RgbImage photo = ImageFile.Load(path);
        int size = box?.Size ?? Math.Min(photo.Width, photo.Height);
        if (size < SmallestCrop)
            throw new IlgdException($"{path}: the face would be {size} x {size} pixels of a picture of {photo.Width} x {photo.Height}; at least {SmallestCrop} x {SmallestCrop} are needed");
        try
        {
            return box is { } b ? photo.Crop(b.X, b.Y, b.Size) : photo.CropCenter(size, size);
        }
        catch (IlgdException e)
        {
            throw new IlgdException($"{path}: {e.Message}", e);
        }
    }

    /// As large as the model's pictures are, antialiased.
    public static RgbImage Fit(RgbImage face, int size) =>
        face.Width == size ? face : Resample.Resize(face, size, size, face.Width > size ? ResampleFilter.Box : ResampleFilter.Bicubic);

    /// The mean of the autoencoder's distribution, scaled.   returns (h, w, L)
    public static (float[] Latent, Shape Shape) Encode(DiffusionModel model, Arena arena, RgbImage picture)
    {
        Tape tape = new(arena, recording: false);
        float[] values = Array.ConvertAll(picture.Pixels, v => (v / 127.5f) - 1);
        Tensor mean = model.Vae.Mode(tape, model.Vae.EncodeMoments(tape, tape.From(values, [1, picture.Height, picture.Width, 3])));
        float[] latent = mean.ToArray();
        Shape shape = [mean.Shape[1], mean.Shape[2], mean.Shape[3]];
        arena.Reset();
        for (int i = 0; i < latent.Length; i++)
            latent[i] *= model.Vae.ScalingFactor;
        return (latent, shape);
    }
}
