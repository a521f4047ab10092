using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Diffusion;

/// The autoencoder on overlapping tiles, as diffusers' AutoencoderKL.tiled_decode and tiled_encode: neighbours share a quarter of a tile, over which the later one is faded in
/// linearly. Group norms see a tile and not the picture, so the result is close to that of the whole, not equal. On the host between tiles.
public static class VaeTiling
{
    // Of a tile, shared with the next.
    const double Overlap = 0.25;

    /// latent: (h, w, L), divided by the scaling factor   `tile`: its side in latents   returns (H, W, 3), about [−1, 1]
    public static float[] Decode(AutoencoderKL vae, Arena arena, float[] latent, int height, int width, int tile)
    {
        int scale = vae.Config.Downscale;
        return Run(new Plane(latent, height, width, vae.Config.LatentChannels), tile, tile * scale, scale, 1, part =>
        {
            Tape tape = new(arena, recording: false);
            return vae.Decode(tape, tape.From(part.Values, [1, part.Height, part.Width, part.Channels]));
        }, arena);
    }

    /// image: (H, W, 3) in [−1, 1]   `tile`: its side in latents   returns moments, (h, w, 2L)
    public static float[] Encode(AutoencoderKL vae, Arena arena, float[] image, int height, int width, int tile)
    {
        int scale = vae.Config.Downscale;
        return Run(new Plane(image, height, width, vae.Config.InChannels), tile * scale, tile, 1, scale, part =>
        {
            Tape tape = new(arena, recording: false);
            return vae.EncodeMoments(tape, tape.From(part.Values, [1, part.Height, part.Width, part.Channels]));
        }, arena);
    }

    // `enlarged` / `reduced`: pixels of the result to one of the source, or the other way round.
    static float[] Run(Plane source, int sourceTile, int resultTile, int enlarged, int reduced, Func<Plane, Tensor> network, Arena arena)
    {
        int step = (int)(sourceTile * (1 - Overlap)), fade = (int)(resultTile * Overlap), kept = resultTile - fade;
        Plane[] above = [];
        Plane? result = null;
        for (int top = 0, row = 0; top < source.Height; top += step, row++)
        {
            List<Plane> tiles = [];
            for (int left = 0, column = 0; left < source.Width; left += step, column++)
            {
                Tensor y = network(source.Part(top, left, sourceTile, sourceTile));
                Plane tile = new(y.ToArray(), y.Shape[1], y.Shape[2], y.Shape[3]);
                arena.Reset();
                result ??= new Plane(source.Height * enlarged / reduced, source.Width * enlarged / reduced, tile.Channels);
                // Above first, from what was faded already; then the left, as the library does it.
                if (row > 0)
                    tile.FadeFromAbove(above[column], fade);
                if (column > 0)
                    tile.FadeFromLeft(tiles[^1], fade);
                tiles.Add(tile);
                result.Put(tile, row * kept, column * kept, kept);
            }

            above = [.. tiles];
        }

        return result!.Values;
    }

    /// (H, W, C) on the host.
    sealed class Plane(float[] values, int height, int width, int channels)
    {
        public Plane(int height, int width, int channels)
            : this(new float[height * width * channels], height, width, channels)
        {
        }

        public float[] Values => values;

        public int Height => height;

        public int Width => width;

        public int Channels => channels;

        Span<float> Row(int y, int x, int pixels) => values.AsSpan(((y * width) + x) * channels, pixels * channels);

        public Plane Part(int top, int left, int h, int w)
        {
            Plane part = new(Math.Min(h, height - top), Math.Min(w, width - left), channels);
            for (int y = 0; y < part.Height; y++)
                Row(top + y, left, part.Width).CopyTo(part.Row(y, 0, part.Width));
            return part;
        }

        public void Put(Plane tile, int top, int left, int most)
        {
            int w = Math.Min(Math.Min(most, tile.Width), width - left);
            for (int y = 0; y < Math.Min(Math.Min(most, tile.Height), height - top); y++)
                tile.Row(y, 0, w).CopyTo(Row(top + y, left, w));
        }

        public void FadeFromAbove(Plane other, int extent)
        {
            extent = Math.Min(extent, Math.Min(other.Height, height));
            for (int y = 0; y < extent; y++)
                Fade(other.Row(other.Height - extent + y, 0, width), Row(y, 0, width), (float)y / extent);
        }

        public void FadeFromLeft(Plane other, int extent)
        {
            extent = Math.Min(extent, Math.Min(other.Width, width));
            for (int y = 0; y < height; y++)
            {
                for (int x = 0; x < extent; x++)
                    Fade(other.Row(y, other.Width - extent + x, 1), Row(y, x, 1), (float)x / extent);
            }
        }

        static void Fade(ReadOnlySpan<float> from, Span<float> to, float weight)
        {
            for (int i = 0; i < to.Length; i++)
                to[i] = (from[i] * (1 - weight)) + (to[i] * weight);
        }
    }
}
