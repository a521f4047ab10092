using SkiaSharp;

namespace IlgpuDiffusion.IO;

/// Pictures on disk, through SkiaSharp. The format is told from the content, never from the name.
/// Pixels come as Pillow's `ImageOps.exif_transpose(image).convert("RGB")` gives them: turned upright, alpha dropped and not blended,
/// colour profiles ignored, 16 bit cut to the high byte (16-bit gray too, which Pillow would clip at 255 into a white picture).
public static class ImageFile
{
    /// Pillow's limit. A few bytes can claim any size, so the claim is checked before memory is asked for.
    public const long MaxPixels = 178_956_970;

    /// PNG, JPEG, WebP, BMP, GIF (first frame). Errors: no picture, cut short or damaged, more than MaxPixels.
    public static RgbImage Load(string path)
    {
        if (!File.Exists(path))
            throw new IlgdException($"{path}: no such file");
        using SKCodec codec = SKCodec.Create(path, out SKCodecResult opened)
            ?? throw new IlgdException($"{path}: not a picture this program reads (PNG, JPEG, WebP, BMP, GIF): {opened}");
        (int width, int height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > MaxPixels)
            throw new IlgdException($"{path}: claims {width} x {height} pixels, more than the {MaxPixels} that are read");

        // No colour space: no conversion. Not premultiplied: colours under alpha 0 survive.
        SKImageInfo info = new(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul, null);
        using SKBitmap bitmap = new(info);
        SKCodecResult result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
            throw new IlgdException($"{path}: the picture is cut short or damaged: {result}");
        return Upright(bitmap.GetPixelSpan(), width, height, codec.EncodedOrigin);
    }

    /// Writes beside and renames.
    public static void SavePng(string path, RgbImage image)
    {
        byte[] png = EncodePng(image);
        AtomicFile.Write(path, stream => stream.Write(png));
    }

    /// An 8-bit RGB PNG. Same pixels, same bytes.
    public static byte[] EncodePng(RgbImage image)
    {
        byte[] rgba = new byte[4 * image.Width * image.Height];
        for (int i = 0; i < image.Width * image.Height; i++)
        {
            image.Pixels.AsSpan(3 * i, 3).CopyTo(rgba.AsSpan(4 * i));
            rgba[4 * i + 3] = 255;
        }

        SKImageInfo info = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque, null);
        using SKImage picture = SKImage.FromPixelCopy(info, rgba);
        using SKData png = picture.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    /// EXIF orientations 1 to 8: (x, y) of the upright picture comes from (u, v) of the stored one.
    static RgbImage Upright(ReadOnlySpan<byte> rgba, int width, int height, SKEncodedOrigin origin)
    {
        bool swapped = origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
        RgbImage image = swapped ? new(height, width) : new(width, height);
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                (int u, int v) = origin switch
                {
                    SKEncodedOrigin.TopRight => (width - 1 - x, y),
                    SKEncodedOrigin.BottomRight => (width - 1 - x, height - 1 - y),
                    SKEncodedOrigin.BottomLeft => (x, height - 1 - y),
                    SKEncodedOrigin.LeftTop => (y, x),
                    SKEncodedOrigin.RightTop => (y, height - 1 - x),
                    SKEncodedOrigin.RightBottom => (width - 1 - y, height - 1 - x),
                    SKEncodedOrigin.LeftBottom => (width - 1 - y, x),
                    _ => (x, y),
                };
                rgba.Slice(4 * (v * width + u), 3).CopyTo(image.Pixels.AsSpan(3 * (y * image.Width + x)));
            }
        }

        return image;
    }
}
