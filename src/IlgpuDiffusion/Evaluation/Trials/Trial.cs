using System.Globalization;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// What one method made of one person with one seed, up to one iteration: a results file.
sealed record Trial
{
    const string PicturesKey = "pictures", CountsKey = "counts", SecondsKey = "seconds", DrawingKey = "drawing_seconds", LossKey = "loss", BytesKey = "bytes", InputsKey = "inputs";

    public required string Path { get; init; }

    /// One a prompt.
    public required IReadOnlyList<RgbImage> Prompted { get; init; }

    /// More of the plain prompt, each from noise of its own.
    public required IReadOnlyList<RgbImage> Plain { get; init; }

    /// Of the class, without the person.
    public required IReadOnlyList<RgbImage> OfClass { get; init; }

    /// <see cref="Personalization.PhotoLoss"/> of the photo; none without a method.
    public double? Loss { get; init; }

    /// From the photo to the weights: class pictures, prediction, finetuning. Drawing is not in it.
    public required double Seconds { get; init; }

    public required double DrawingSeconds { get; init; }

    /// Of the person's weights in float32.
    public required long Bytes { get; init; }

    public IEnumerable<RgbImage> All => [.. Prompted, .. Plain, .. OfClass];

    /// `inputs`: <see cref="TrialInputs.ToJson"/>, for people who wonder what a file is
    public void Save(string inputs)
    {
        RgbImage first = Prompted[0];
        SafetensorsWriter writer = new();
        byte[] pixels = [.. All.SelectMany(picture => picture.Pixels)];
        writer.AddBytes(PicturesKey, [pixels.Length / first.Pixels.Length, first.Height, first.Width, 3], SafetensorsDType.U8, pixels);
        writer.Add(CountsKey, [3], new long[] { Prompted.Count, Plain.Count, OfClass.Count });
        writer.Metadata[SecondsKey] = Seconds.ToString("R", CultureInfo.InvariantCulture);
        writer.Metadata[DrawingKey] = DrawingSeconds.ToString("R", CultureInfo.InvariantCulture);
        writer.Metadata[BytesKey] = $"{Bytes}";
        writer.Metadata[InputsKey] = inputs;
        if (Loss is { } loss)
            writer.Metadata[LossKey] = loss.ToString("R", CultureInfo.InvariantCulture);
        writer.Write(Path);
    }

    /// Errors: a file that is not such a result.
    public static Trial Load(string path)
    {
        using SafetensorsReader file = new(path);
        int[] shape = file.Contains(PicturesKey) && file.Contains(CountsKey) ? file.Shape(PicturesKey) : [];
        if (shape.Length != 4)
            throw new IlgdException($"{path}: no results of a trial; delete it and it is made again");
        int each = shape[1] * shape[2] * shape[3];
        byte[] pixels = file.Bytes(PicturesKey).ToArray();
        long[] counts = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(file.Bytes(CountsKey)).ToArray();
        RgbImage[] all = [.. pixels.Chunk(each).Select(p => new RgbImage(shape[2], shape[1], p))];
        int prompted = (int)counts[0], plain = (int)counts[1];
        return new Trial
        {
            Path = path,
            Prompted = all[..prompted],
            Plain = all[prompted..(prompted + plain)],
            OfClass = all[(prompted + plain)..],
            Loss = file.Metadata.ContainsKey(LossKey) ? Number(LossKey) : null,
            Seconds = Number(SecondsKey),
            DrawingSeconds = Number(DrawingKey),
            Bytes = (long)Number(BytesKey),
        };

        double Number(string key) => double.TryParse(file.Metadata.GetValueOrDefault(key), CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new IlgdException($"{path}: the header's {key} is no number; delete the file and it is made again");
    }
}
