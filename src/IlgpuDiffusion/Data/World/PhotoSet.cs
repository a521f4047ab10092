using System.Globalization;
using System.Numerics;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Data.World;

/// The aligned photographs of london-, canada-, caltech- and portraits-inter-faces, in memory. Held-out people are kept apart
/// from the start, so that no training can meet them by mistake.
public sealed class PhotoSet
{
    /// Stored larger than the 64 pixels of the model, so that turning and scaling costs no sharpness.
    public const int MasterSize = 96;

    /// Studio walls darker than this are brightened to it, with the person.
    const float LightGrey = .74f;

    PhotoSet(IReadOnlyList<Photo> photos)
    {
        Training = [.. photos.Where(p => !HeldOutPeople.Contains(p.Subject))];
        HeldOut = [.. photos.Where(p => HeldOutPeople.Contains(p.Subject))];
    }

    public IReadOnlyList<Photo> Training { get; }

    /// Both photographs of the people of HeldOutPeople: for evaluation only.
    public IReadOnlyList<Photo> HeldOut { get; }

    /// Where each data set has its eyes, and whether its background is plain enough to key out. caltech-faces gives no eyes:
    /// its pictures are cropped tightly and used whole.
    enum Eyes { Pair, Midpoint, Unknown }

    static readonly (string Name, Eyes Eyes, bool Plain)[] Sets =
        [("london-faces", Eyes.Pair, true), ("canada-faces", Eyes.Pair, true), ("caltech-faces", Eyes.Unknown, false), ("portraits-inter-faces", Eyes.Midpoint, false)];

    /// folder holds the data sets, each with its metadata.csv. sets: names of those to load, null for all four.
    public static PhotoSet Load(string folder, params string[] sets)
    {
        List<Photo> photos = [];
        foreach ((string name, Eyes eyes, bool plain) in Sets)
            if (sets.Length == 0 || sets.Contains(name)) photos.AddRange(LoadSet(Path.Combine(folder, name), name, eyes, plain));
        return new PhotoSet(photos);
    }

    static IEnumerable<Photo> LoadSet(string folder, string name, Eyes eyes, bool plain)
    {
        string table = Path.Combine(folder, "metadata.csv");
        if (!File.Exists(table)) throw new IlgdException($"{table}: not found; the photo folder needs {name} with its metadata.csv");
        string[] lines = File.ReadAllLines(table), header = lines[0].Split(',');
        foreach ((int number, string line) in lines.Index().Skip(1).Where(l => l.Item.Length > 0))
        {
            string[] cells = line.Split(',', header.Length);
            string? Text(string column) => Array.IndexOf(header, column) is >= 0 and int i && i < cells.Length ? cells[i] : null;
            float Number(string column) => float.TryParse(Text(column), NumberStyles.Float, CultureInfo.InvariantCulture, out float value)
                ? value
                : throw new IlgdException($"{table}: line {number + 1}, column {column}: \"{Text(column)}\" is not a number");

            string path = Path.Combine(folder, Text("path") ?? throw new IlgdException($"{table}: no column \"path\""));
            RgbImage image = ImageFile.Load(path);
            if (image.Width < 16 || image.Height < 16)
                throw new IlgdException($"{path}: {image.Width}x{image.Height}; a picture of 16x16 or more is needed");
            Matrix3x2 toSource = eyes switch
            {
                Eyes.Pair => PhotoAlignment.FromEyes(new(Number("left_eye_x"), Number("left_eye_y")), new(Number("right_eye_x"), Number("right_eye_y"))),
                Eyes.Midpoint => FromMidpoint(Number("eye_mid_x"), Number("eye_mid_y"), Number("eye_distance")),
                _ => PhotoAlignment.Centred(image.Width, image.Height),
            };
            bool? man = Text("gender") switch { "male" => true, "female" => false, _ => null };
            Expression? expression = Text("expression") switch { "smiling" => Expression.Smiling, "neutral" => Expression.Neutral, _ => null };
            yield return Align(image, path, $"{name}/{Text("subject")}", man, expression, toSource, plain);
        }
    }

    static Matrix3x2 FromMidpoint(float x, float y, float distance) =>
        PhotoAlignment.FromEyes(new Vector2(x - distance / 2, y), new Vector2(x + distance / 2, y));

    static Photo Align(RgbImage image, string path, string subject, bool? man, Expression? expression, Matrix3x2 toSource, bool plain)
    {
        (int w, int h) = (image.Width, image.Height);
        float[] rgb = Array.ConvertAll(image.Pixels, v => v / 255f);
        Matte? matte = null;
        if (plain)
        {
            // the studio wall is grey: what colour it has is the lamp's (canada-faces: pink), and is divided out
            // Keyed while the wall is as dark as it was: brightening would also raise its shadows above the thresholds.
            rgb = Scaled(rgb, Whitening(Matte.Key(rgb, w, h).Backdrop));
            Matte key = Matte.Key(rgb, w, h);
            Vector3 gain = new(Math.Clamp(LightGrey / Colour.Luma(key.Backdrop), 1, 1.3f));
            rgb = Scaled(rgb, gain);
            matte = new Matte(Scaled(key.Foreground, gain), key.Alpha, Colour.Clamp(key.Backdrop * gain)).Resample(w, h, toSource, MasterSize);
        }
        return new Photo(path, subject, man, expression, PhotoAlignment.Resample(rgb, w, h, 3, toSource, MasterSize), matte);
    }

    /// Channel gains that make the wall grey of the same brightness.
    static Vector3 Whitening(Vector3 wall) => Vector3.Clamp(new Vector3(Colour.Luma(wall)) / wall, new Vector3(.67f), new Vector3(1.5f));

    static float[] Scaled(float[] rgb, Vector3 gain)
    {
        float[] result = new float[rgb.Length];
        for (int i = 0; i < rgb.Length; i++) result[i] = Math.Min(rgb[i] * gain[i % 3], 1);
        return result;
    }
}
