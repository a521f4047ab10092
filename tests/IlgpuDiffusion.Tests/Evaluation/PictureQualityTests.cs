using System.Text.Json;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Fixtures;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Evaluation;

[Trait("Category", "Fixtures")]
public sealed class PictureQualityTests
{
    // Sums in double of up to 11 · 11 · 33 · 47 products, in another order than scikit-image's.
    const double Tolerance = 1e-9;

    [Fact]
    public void Psnr_and_ssim_are_those_of_scikit_image()
    {
        using FixtureFile file = FixtureFile.Open("vision", "metrics.safetensors");
        Assert.NotEmpty(file.Cases);
        foreach (string name in file.Cases)
        {
            int[] shape = file.Tensor(name, "a").Shape;
            RgbImage a = new(shape[1], shape[0], file.Bytes(name, "a")), b = new(shape[1], shape[0], file.Bytes(name, "b"));
            JsonElement expected = file.Attributes(name);
            JsonElement psnr = expected.GetProperty("psnr");
            if (psnr.ValueKind == JsonValueKind.Null)
                Assert.Equal(double.PositiveInfinity, PictureQuality.Psnr(a, b));
            else
                Close(PictureQuality.Psnr(a, b), psnr.GetDouble(), $"{name}.psnr");
            Close(PictureQuality.Ssim(a, b, SsimWindow.Uniform), expected.GetProperty("ssim_uniform7").GetDouble(), $"{name}.ssim_uniform7");
            Close(PictureQuality.Ssim(a, b, SsimWindow.Gaussian), expected.GetProperty("ssim_gauss").GetDouble(), $"{name}.ssim_gauss");
            Close(
                Enumerable.Range(0, 3).Average(c => PictureQuality.Ssim(Unit(a, c), Unit(b, c), a.Width, SsimWindow.Uniform, 1)),
                expected.GetProperty("ssim_float01").GetDouble(),
                $"{name}.ssim_float01");

            // One plane, the first colour's, and another size of window.
            Close(
                PictureQuality.Ssim(Plane(a, 0), Plane(b, 0), a.Width, new SsimWindow(11, 0, SampleCovariance: true), 255),
                expected.GetProperty("ssim_gray_win11").GetDouble(),
                $"{name}.ssim_gray_win11");
        }
    }

    static double[] Unit(RgbImage image, int channel) => Array.ConvertAll(Plane(image, channel), v => v / 255);

    static double[] Plane(RgbImage image, int channel) => [.. Enumerable.Range(0, image.Width * image.Height).Select(i => (double)image.Pixels[(3 * i) + channel])];

    static void Close(double actual, double expected, string what) => Assert.True(Math.Abs(actual - expected) <= Tolerance * Math.Max(1, Math.Abs(expected)), $"{what}: {actual:R}, expected {expected:R}");
}
