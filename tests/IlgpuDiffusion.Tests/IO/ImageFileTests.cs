using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.IO;

public sealed class ImageFileTests : IDisposable
{
    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ilgd-image-");

    public void Dispose() => folder.Delete(recursive: true);

    static RgbImage Gradient(int width, int height) =>
        new(width, height, [.. Enumerable.Range(0, 3 * width * height).Select(i => (byte)(i * 7))]);

    [Fact]
    public void A_saved_PNG_has_the_same_pixels_and_always_the_same_bytes()
    {
        RgbImage image = Gradient(13, 9);
        string path = Path.Combine(folder.FullName, "sub", "a.png");
        ImageFile.SavePng(path, image);
        RgbImage back = ImageFile.Load(path);
        Assert.Equal((13, 9), (back.Width, back.Height));
        Assert.Equal(image.Pixels, back.Pixels);
        byte[] png = File.ReadAllBytes(path);
        Assert.Equal(png, ImageFile.EncodePng(image));
        Assert.Equal(2, png[25]); // colour type: RGB without alpha
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void A_text_file_named_png_and_a_missing_file_are_named()
    {
        string path = Path.Combine(folder.FullName, "a.png");
        File.WriteAllText(path, "hello");
        Assert.StartsWith($"{path}: not a picture", Assert.Throws<IlgdException>(() => ImageFile.Load(path)).Message);
        Assert.Contains("no such file", Assert.Throws<IlgdException>(() => ImageFile.Load(path + "x")).Message);
        Assert.Contains("no such file", Assert.Throws<IlgdException>(() => ImageFile.Load(folder.FullName)).Message);
    }

    [Fact]
    public void A_crop_takes_its_pixels_and_may_not_leave_the_picture()
    {
        RgbImage image = Gradient(7, 5);
        RgbImage crop = image.Crop(2, 1, 3);
        Assert.Equal((3, 3), (crop.Width, crop.Height));
        Assert.Equal(image.Pixels[(3 * (2 * 7 + 4))..][..3], crop.Pixels[(3 * (1 * 3 + 2))..][..3]);
        Assert.Throws<IlgdException>(() => image.Crop(5, 0, 3));
        Assert.Throws<IlgdException>(() => image.Crop(0, -1, 3));
        Assert.Throws<IlgdException>(() => image.Crop(int.MaxValue, 0, 3));
        Assert.Throws<ArgumentException>(() => new RgbImage(2, 2, new byte[11]));
    }
}
