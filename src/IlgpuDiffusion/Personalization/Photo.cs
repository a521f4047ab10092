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

    /// What each position of the photo's latent counts for: the face's square of the mask `path`, a picture as large as the photo, white what is learned and black what is not, as the mean of
    /// its red channel over the position's pixels.   returns (h, w), 0 to 1; null where `path` is
    /// Errors: no picture, another size than the photo's, a mask that leaves nothing of the face.
    public static float[]? Mask(string? path, string photo, CropBox? box, Shape latent)
    {
        if (path is null)
            return null;
        RgbImage whole = ImageFile.Load(photo), mask = ImageFile.Load(path);
        if ((mask.Width, mask.Height) != (whole.Width, whole.Height))
            throw new IlgdException($"{path}: has {mask.Width} x {mask.Height} pixels, the photo {photo} has {whole.Width} x {whole.Height}; a mask is as large as its photo");
        RgbImage face = Face(path, box);
        float[] red = new float[face.Width * face.Height];
        for (int i = 0; i < red.Length; i++)
            red[i] = face.Pixels[3 * i] / 255f;
        float[] counts = Resample.Resize(red, face.Height, face.Width, 1, latent[0], latent[1], ResampleFilter.Box);
        return counts.Any(m => m > 0) ? counts : throw new IlgdException($"{path}: is black all over the face, so nothing of it would be learned; white is what counts");
    }

    /// As large as the model's pictures are, antialiased.
    public static RgbImage Fit(RgbImage face, int size) =>
        face.Width == size ? face : Resample.Resize(face, size, size, face.Width > size ? ResampleFilter.Box : ResampleFilter.Bicubic);

    /// The largest part in the middle that has the shape of a picture of these pixels, as large as that.
    public static RgbImage Fit(RgbImage picture, int width, int height)
    {
        long tall = (long)picture.Width * height, wide = (long)picture.Height * width;
        RgbImage part = tall > wide
            ? picture.CropCenter(Math.Max(1, (int)(wide / height)), picture.Height)
            : picture.CropCenter(picture.Width, Math.Max(1, (int)(tall / width)));
        return part.Width == width && part.Height == height
            ? part
            : Resample.Resize(part, width, height, part.Width > width ? ResampleFilter.Box : ResampleFilter.Bicubic);
    }

    /// The mean of the autoencoder's distribution, scaled.   returns (h, w, L)
    public static (float[] Latent, Shape Shape) Encode(DiffusionModel model, Arena arena, RgbImage picture, MemorySettings? memory = null)
    {
        (float[] moments, Shape shape) = Moments(model, arena, picture, memory);
        float[] latent = new float[shape.Count];
        for (int i = 0; i < latent.Length; i++)
            latent[i] = moments[(i / shape[2] * 2 * shape[2]) + (i % shape[2])] * model.Vae.ScalingFactor;
        return (latent, shape);
    }

    /// The autoencoder's distribution of a picture.   returns (h, w, 2L): mean, then log variance; and (h, w, L)
    internal static (float[] Moments, Shape Shape) Moments(DiffusionModel model, Arena arena, RgbImage picture, MemorySettings? memory)
    {
        VaeConfig vae = model.Vae.Config;
        Shape shape = [picture.Height / vae.Downscale, picture.Width / vae.Downscale, vae.LatentChannels];
        float[] values = Array.ConvertAll(picture.Pixels, v => (v / 127.5f) - 1), moments;
        if (memory is { VaeTile: > 0 and var tile } && Math.Max(shape[0], shape[1]) > tile)
        {
            moments = VaeTiling.Encode(model.Vae, arena, values, picture.Height, picture.Width, tile);
        }
        else
        {
            Tape tape = new(arena, recording: false);
            moments = model.Vae.EncodeMoments(tape, tape.From(values, [1, picture.Height, picture.Width, 3])).ToArray();
        }

        arena.Release();
        return (moments, shape);
    }
}
