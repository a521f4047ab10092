namespace IlgpuDiffusion.IO.Keys;

/// facenet-pytorch's weights: beside the embedding network the classifier it was trained with, and counters of batch norm.
static class FaceNetKeys
{
    public static string? ToPublished(string key) =>
        key.StartsWith("logits.", StringComparison.Ordinal) || key.EndsWith(".num_batches_tracked", StringComparison.Ordinal) ? null : key;
}
