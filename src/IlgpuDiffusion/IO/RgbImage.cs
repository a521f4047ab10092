namespace IlgpuDiffusion.IO;

/// An 8-bit RGB picture. Pixels: (Height, Width, 3), row-major.
public sealed class RgbImage
{
    /// Errors: a length that is not width · height · 3.
    public RgbImage(int width, int height, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (pixels.Length != 3L * width * height)
            throw new ArgumentException($"{pixels.Length} bytes for {width} x {height} RGB, expected {3L * width * height}", nameof(pixels));
        (Width, Height, Pixels) = (width, height, pixels);
    }

    public RgbImage(int width, int height)
        : this(width, height, new byte[checked(3 * width * height)])
    {
    }

    public int Width { get; }
    public int Height { get; }
    public byte[] Pixels { get; }

    /// The square of `size` pixels whose top left corner is (x, y). Errors: it leaves the picture.
    public RgbImage Crop(int x, int y, int size) => Crop(x, y, size, size);

    /// As above for a rectangle.
    public RgbImage Crop(int x, int y, int width, int height)
    {
        if (x < 0 || y < 0 || width <= 0 || height <= 0 || x > Width - width || y > Height - height)
            throw new IlgdException($"a crop of {width} x {height} at ({x}, {y}) leaves the picture of {Width} x {Height}");
        RgbImage crop = new(width, height);
        for (int row = 0; row < height; row++)
            Pixels.AsSpan(3 * ((y + row) * Width + x), 3 * width).CopyTo(crop.Pixels.AsSpan(3 * row * width));
        return crop;
    }

    /// The middle, rounded up and to the left as in torchvision's and transformers' centre crop.
    public RgbImage CropCenter(int width, int height) => Crop((Width - width) / 2, (Height - height) / 2, width, height);

    /// By a whole factor with hard pixels: what is shown is what was drawn.
    public RgbImage Enlarged(int factor)
    {
        RgbImage large = new(Width * factor, Height * factor);
        for (int y = 0; y < large.Height; y++)
        {
            for (int x = 0; x < large.Width; x++)
                Pixels.AsSpan(3 * ((y / factor * Width) + (x / factor)), 3).CopyTo(large.Pixels.AsSpan(3 * ((y * large.Width) + x)));
        }

        return large;
    }
}
