using System.Text.Json;
using IlgpuDiffusion.Data;

namespace IlgpuDiffusion.IO;

/// From a picture of any size to the numbers that a network was trained on: resize, cut out the middle, (byte / 255 − mean) / deviation.
public sealed record ImagePreprocessing
{
    const string FileName = "preprocessor_config.json";

    // Pillow's numbers, which these files use.
    static readonly Dictionary<int, ResampleFilter> Filters = new()
    {
        [0] = ResampleFilter.Nearest,
        [1] = ResampleFilter.Lanczos,
        [2] = ResampleFilter.Bilinear,
        [3] = ResampleFilter.Bicubic,
        [4] = ResampleFilter.Box,
        [5] = ResampleFilter.Hamming,
    };

    /// Pixels a side of what comes out.
    public required int Size { get; init; }

    /// The shorter side is brought to this many pixels and the middle cut out; null brings both sides to <see cref="Size"/>.
    public int? ShortestEdge { get; init; }

    /// Null is Box for a larger picture and Bicubic for a smaller one.
    public ResampleFilter? Filter { get; init; }

    public IReadOnlyList<float> Mean { get; init; } = [0.5f, 0.5f, 0.5f];

    public IReadOnlyList<float> Deviation { get; init; } = [0.5f, 0.5f, 0.5f];

    /// facenet-pytorch's: 160 pixels, (byte − 127.5) / 128.
    public static ImagePreprocessing FaceNet { get; } = new()
    {
        Size = 160,
        Filter = ResampleFilter.Bilinear,
        Deviation = [128f / 255, 128f / 255, 128f / 255],
    };

    /// What the folder's `preprocessor_config.json` (transformers) says; without that file, [−1, 1] at the network's size, as our own networks are trained.
    /// Errors: a size that is not the network's, a filter or a step that this program does not know.
    public static ImagePreprocessing Load(string folder, int networkSize)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return new ImagePreprocessing { Size = networkSize };
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            ImagePreprocessing read = Read(json.RootElement);
            return read.Size == networkSize
                ? read
                : throw new IlgdException($"{path}: makes pictures of {read.Size} pixels, the network beside it takes {networkSize}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or NotSupportedException)
        {
            throw new IlgdException($"{path}: no preprocessing that this program knows: {e.Message}", e);
        }
    }

    /// returns (Size, Size, 3)
    public float[] Apply(RgbImage picture)
    {
        RgbImage fitted = Fit(picture);
        float[] values = new float[fitted.Pixels.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = ((fitted.Pixels[i] / 255f) - Mean[i % 3]) / Deviation[i % 3];
        return values;
    }

    /// The bytes before they are scaled.
    public RgbImage Fit(RgbImage picture)
    {
        if (ShortestEdge is { } edge)
            return Resample.ResizeShortestEdge(picture, edge, Filter ?? Chosen(Math.Min(picture.Width, picture.Height), edge)).CropCenter(Size, Size);
        if (picture.Width == Size && picture.Height == Size)
            return picture;
        return Resample.Resize(picture, Size, Size, Filter ?? Chosen(picture.Width, Size));
    }

    static ResampleFilter Chosen(int from, int to) => from > to ? ResampleFilter.Box : ResampleFilter.Bicubic;

    static ImagePreprocessing Read(JsonElement json)
    {
        bool crops = json.TryGetProperty("do_center_crop", out JsonElement crop) && crop.GetBoolean();
        (int size, bool shortest) = SizeOf(json.GetProperty("size"), crops);
        // Old files give one number, which is the shorter side where a crop follows and both sides where none does.
        return new ImagePreprocessing
        {
            Size = crops && json.TryGetProperty("crop_size", out JsonElement cropSize) ? SizeOf(cropSize, false).Size : size,
            ShortestEdge = shortest ? size : null,
            Filter = json.TryGetProperty("resample", out JsonElement resample) && Filters.TryGetValue(resample.GetInt32(), out ResampleFilter filter)
                ? filter
                : throw new NotSupportedException("no resample filter that Pillow has"),
            Mean = Three(json, "image_mean"),
            Deviation = Three(json, "image_std"),
        };
    }

    static (int Size, bool Shortest) SizeOf(JsonElement size, bool shortest)
    {
        if (size.ValueKind == JsonValueKind.Number)
            return (size.GetInt32(), shortest);
        if (size.TryGetProperty("shortest_edge", out JsonElement edge))
            return (edge.GetInt32(), true);
        (int height, int width) = (size.GetProperty("height").GetInt32(), size.GetProperty("width").GetInt32());
        return height == width ? (height, false) : throw new NotSupportedException($"size {width} x {height} is not square");
    }

    static float[] Three(JsonElement json, string key)
    {
        float[] values = [.. json.GetProperty(key).EnumerateArray().Select(v => v.GetSingle())];
        return values.Length == 3 ? values : throw new NotSupportedException($"{key} has {values.Length} numbers, not 3");
    }
}
