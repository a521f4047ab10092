using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Base;

/// What an autoencoder loses: the sharpness limit of everything drawn through it.
public static class VaeQuality
{
    /// Mean over pictures of PSNR = 10·log₁₀(1 / mse) in dB, values in [0, 1], latents at their mean.
    public static double Psnr(AutoencoderKL vae, Arena arena, IReadOnlyList<TrainingPicture> pictures, int pictureSize)
    {
        double sum = 0;
        float[] x = new float[pictureSize * pictureSize * 3];
        foreach (TrainingPicture picture in pictures)
        {
            picture.CopyTo(x);
            Tape tape = new(arena, recording: false);
            Tensor moments = vae.EncodeMoments(tape, tape.From(x, [1, pictureSize, pictureSize, 3]));
            float[] copy = vae.Decode(tape, vae.Mode(tape, moments)).ToArray();
            double mse = 0;
            for (int i = 0; i < x.Length; i++)
            {
                double difference = (Math.Clamp(copy[i], -1, 1) - x[i]) / 2;
                mse += difference * difference;
            }

            sum += 10 * Math.Log10(x.Length / mse);
            arena.Reset();
        }

        return sum / pictures.Count;
    }
}
