using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Diffusion;

/// Tiles against the definition in diffusers' AutoencoderKL, written out for one pixel: which tiles cover it, and how each was faded into the next.
[Trait("Category", "Fixtures")]
public class VaeTilingTests(Devices devices) : DeviceTest(devices)
{
    // Two linear fades in float32.
    const double Tolerance = 1e-5;

    [Theory]
    [InlineData(16, 8, 8)]
    [InlineData(14, 20, 8)]
    public void Decoding_by_tiles_blends_what_each_tile_decodes_to(int height, int width, int tile)
    {
        Arena arena = Arena("cpu");
        using AutoencoderKL vae = ModelFolder.LoadVae(Shared.Require("fixtures", "tiny-sd", "vae"), arena.Device);
        int scale = vae.Config.Downscale, channels = vae.Config.LatentChannels;
        float[] latent = GradCheck.Values(height * width * channels, 1);
        float[] tiled = VaeTiling.Decode(vae, arena, latent, height, width, tile);
        Check(tiled, latent, height, width, channels, tile, tile * scale, scale, 1, part => vae.Decode(part.Tape, part.Tensor), arena);
    }

    [Fact]
    public void Encoding_by_tiles_blends_what_each_tile_encodes_to()
    {
        Arena arena = Arena("cpu");
        using AutoencoderKL vae = ModelFolder.LoadVae(Shared.Require("fixtures", "tiny-sd", "vae"), arena.Device);
        int scale = vae.Config.Downscale, height = 14 * scale, width = 20 * scale;
        float[] image = GradCheck.Values(height * width * 3, 2);
        float[] tiled = VaeTiling.Encode(vae, arena, image, height, width, 8);
        Check(tiled, image, height, width, 3, 8 * scale, 8, 1, scale, part => vae.EncodeMoments(part.Tape, part.Tensor), arena);
    }

    readonly record struct Part(Tape Tape, Tensor Tensor);

    readonly record struct Result(float[] Values, int Height, int Width, int Channels)
    {
        public double this[int y, int x, int c] => Values[(((y * Width) + x) * Channels) + c];
    }

    static Result Whole(float[] values, int height, int width, int channels, Func<Part, Tensor> network, Arena arena)
    {
        Tape tape = new(arena, recording: false);
        Tensor y = network(new Part(tape, tape.From(values, [1, height, width, channels])));
        Result result = new(y.ToArray(), y.Shape[1], y.Shape[2], y.Shape[3]);
        arena.Reset();
        return result;
    }

    static void Check(
        float[] tiled, float[] source, int height, int width, int channels, int tile, int resultTile, int enlarged, int reduced, Func<Part, Tensor> network, Arena arena)
    {
        int step = tile * 3 / 4, fade = resultTile / 4, kept = resultTile - fade;
        int rows = (height + step - 1) / step, columns = (width + step - 1) / step;
        Result[,] plain = new Result[rows, columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                int h = Math.Min(tile, height - (i * step)), w = Math.Min(tile, width - (j * step));
                float[] part = [.. Enumerable.Range(0, h).SelectMany(y => source.AsSpan(((((i * step) + y) * width) + (j * step)) * channels, w * channels).ToArray())];
                plain[i, j] = Whole(part, h, w, channels, network, arena);
            }
        }

        // Tile (i, j) at its own pixel (y, x) once its neighbours above and to the left have been faded in.
        double Faded(int i, int j, int y, int x, int c)
        {
            double value = Above(i, j, y, x, c);
            if (j == 0)
                return value;
            int extent = Math.Min(fade, Math.Min(plain[i, j - 1].Width, plain[i, j].Width));
            if (x >= extent)
                return value;
            double left = Faded(i, j - 1, y, plain[i, j - 1].Width - extent + x, c), weight = (double)x / extent;
            return (left * (1 - weight)) + (value * weight);
        }

        double Above(int i, int j, int y, int x, int c)
        {
            if (i == 0)
                return plain[i, j][y, x, c];
            int extent = Math.Min(fade, Math.Min(plain[i - 1, j].Height, plain[i, j].Height));
            if (y >= extent)
                return plain[i, j][y, x, c];
            double above = Faded(i - 1, j, plain[i - 1, j].Height - extent + y, x, c), weight = (double)y / extent;
            return (above * (1 - weight)) + (plain[i, j][y, x, c] * weight);
        }

        int resultHeight = height * enlarged / reduced, resultWidth = width * enlarged / reduced, resultChannels = plain[0, 0].Channels;
        float[] expected = new float[resultHeight * resultWidth * resultChannels];
        for (int at = 0; at < expected.Length; at++)
        {
            int c = at % resultChannels, x = at / resultChannels % resultWidth, y = at / resultChannels / resultWidth;
            int i = Math.Min(y / kept, rows - 1), j = Math.Min(x / kept, columns - 1);
            expected[at] = (float)Faded(i, j, y - (i * kept), x - (j * kept), c);
        }

        Tol.Close(tiled, expected, Tolerance, "tiles");
    }
}
