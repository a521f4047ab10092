using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Base;

/// The latents of all training pictures, encoded once: (N, h, w, L) means, already scaled as the UNet sees them.
public sealed class LatentSet
{
    LatentSet(float[] values, Shape each)
    {
        Values = values;
        Each = each;
    }

    public float[] Values { get; }

    /// (h, w, L)
    public Shape Each { get; }

    public ReadOnlySpan<float> this[int index] => Values.AsSpan((int)(index * Each.Count), (int)Each.Count);

    /// (h, w, L) of a picture of this size.
    public static Shape Of(AutoencoderKL vae, int pictureSize) => [pictureSize / vae.Config.Downscale, pictureSize / vae.Config.Downscale, vae.Config.LatentChannels];

    public static LatentSet Encode(AutoencoderKL vae, Arena arena, PictureSet pictures, int pictureSize, Action<int>? progress = null)
    {
        const int batch = 32;
        int each = pictureSize * pictureSize * 3;
        Shape shape = Of(vae, pictureSize);
        float[] latents = new float[pictures.Count * shape.Count];
        float[] values = new float[batch * each];
        for (int start = 0; start < pictures.Count; start += batch)
        {
            int count = Math.Min(batch, pictures.Count - start);
            for (int b = 0; b < count; b++)
                pictures[start + b].CopyTo(values.AsSpan(b * each, each));
            Tape tape = new(arena, recording: false);
            Tensor mean = vae.Mode(tape, vae.EncodeMoments(tape, tape.From(values.AsSpan(0, count * each), [count, pictureSize, pictureSize, 3])));
            mean.CopyTo(latents.AsSpan((int)(start * shape.Count), (int)mean.Count));
            arena.Reset();
            progress?.Invoke(start + count);
        }

        for (int i = 0; i < latents.Length; i++)
            latents[i] *= vae.ScalingFactor;
        return new LatentSet(latents, shape);
    }

    /// The latents of an earlier run with the same settings, or null.
    public static LatentSet? LoadIfThere(string path, Shape each, string config)
    {
        if (!File.Exists(path))
            return null;
        using SafetensorsReader reader = new(path);
        return reader.Metadata.GetValueOrDefault("config") == config ? new LatentSet(reader.ReadFloat32("latents"), each) : null;
    }

    public void Save(string path, string config)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["config"] = config;
        writer.Add("latents", [(int)(Values.Length / Each.Count), (int)Each.Count], Values);
        writer.Write(path);
    }

    /// Makes every latent channel zero-mean and unit-variance over these pictures by folding the affine map into quant_conv and its inverse into
    /// post_quant_conv: one scalar scaling_factor leaves channels uneven (their deviations differed by three in a first try), and the
    /// UNet then models the small ones badly.   `scaling` is what the latents were multiplied by when they were encoded.
    public void Standardise(AutoencoderKL vae, float scaling)
    {
        int l = Each[-1];
        double[] sum = new double[l], squares = new double[l];
        for (int i = 0; i < Values.Length; i++)
        {
            double v = Values[i] / scaling;
            sum[i % l] += v;
            squares[i % l] += v * v;
        }

        long n = Values.Length / l;
        Weights w = vae.Weights;
        float[] quant = w["quant_conv.weight"].Value.ToArray(), quantBias = w["quant_conv.bias"].Value.ToArray();
        float[] post = w["post_quant_conv.weight"].Value.ToArray(), postBias = w["post_quant_conv.bias"].Value.ToArray();
        for (int c = 0; c < l; c++)
        {
            double mean = sum[c] / n, deviation = Math.Sqrt((squares[c] / n) - (mean * mean));
            for (int i = 0; i < 2 * l; i++)
                quant[(c * 2 * l) + i] = (float)(quant[(c * 2 * l) + i] / deviation);
            quantBias[c] = (float)((quantBias[c] - mean) / deviation);
            quantBias[c + l] -= (float)(2 * Math.Log(deviation));
            for (int o = 0; o < l; o++)
            {
                postBias[o] += (float)(post[(o * l) + c] * mean);
                post[(o * l) + c] = (float)(post[(o * l) + c] * deviation);
            }

            for (int i = c; i < Values.Length; i += l)
                Values[i] = (float)(((Values[i] / scaling) - mean) / deviation);
        }

        w["quant_conv.weight"].Value.CopyFrom(quant);
        w["quant_conv.bias"].Value.CopyFrom(quantBias);
        w["post_quant_conv.weight"].Value.CopyFrom(post);
        w["post_quant_conv.bias"].Value.CopyFrom(postBias);
    }
}
