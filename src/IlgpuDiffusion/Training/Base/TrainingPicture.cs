namespace IlgpuDiffusion.Training.Base;

/// One picture of the base model's training set: square RGB bytes (H, W, 3), its caption, and whether it was made from a photograph.
public sealed record TrainingPicture(byte[] Rgb, string Caption, bool Real)
{
    /// Writes the picture as values in [−1, 1], channels-last.
    public void CopyTo(Span<float> destination)
    {
        for (int i = 0; i < Rgb.Length; i++)
            destination[i] = (Rgb[i] / 127.5f) - 1;
    }
}
