using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Training.Base;

/// The training pictures, drawn and photographed apart, so that a batch can hold a fixed share of each.
public sealed class PictureSet(IReadOnlyList<TrainingPicture> drawn, IReadOnlyList<TrainingPicture> real)
{
    public int Count => drawn.Count + real.Count;

    /// Drawn pictures first.
    public TrainingPicture this[int index] => index < drawn.Count ? drawn[index] : real[index - drawn.Count];

    /// Indices of a batch: the first `realShare` of it photographs, the others drawn.
    public int[] Batch(RngStream rng, int size, double realShare)
    {
        int photographs = real.Count == 0 ? 0 : (int)Math.Round(size * realShare);
        int[] batch = new int[size];
        for (int i = 0; i < size; i++)
            batch[i] = i < photographs ? rng.Integer(i, drawn.Count, Count) : rng.Integer(i, 0, drawn.Count);
        return batch;
    }
}
