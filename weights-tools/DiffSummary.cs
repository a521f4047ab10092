using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// One tensor that both sides have: the largest difference, and it relative to the first side's largest value.
sealed record Difference(string Name, double MaxAbs, double Relative);

/// Two sets of named tensors. Dtypes are not compared: the same numbers in another storage type are the same.
sealed record DiffSummary(
    string First, string Second, string Of, int Compared, IReadOnlyList<Difference> Differing, IReadOnlyList<string> OnlyInFirst, IReadOnlyList<string> OnlyInSecond) : ISummary
{
    const int Listed = 10;

    public bool Same => Differing.Count + OnlyInFirst.Count + OnlyInSecond.Count == 0;

    public static DiffSummary OfAdapters(AdapterFile first, AdapterFile second)
    {
        Dictionary<string, AdapterModule> a = first.Modules.ToDictionary(m => m.Path), b = second.Modules.ToDictionary(m => m.Path);
        return Compare($"{first.Path} ({first.Dialect})", $"{second.Path} ({second.Dialect})", "modules, by ΔW", a.Keys, b.Keys, name => a[name].Delta(), name => b[name].Delta());
    }

    public static DiffSummary OfTensors(string first, string second)
    {
        using TensorSet a = new(first), b = new(second);
        return Compare(first, second, "tensors", a.Names, b.Names, a.Read, b.Read);
    }

    public IEnumerable<string> Lines()
    {
        yield return $"{First}";
        yield return $"{Second}";
        yield return $"{Compared} {Of}, {Differing.Count} differ, {OnlyInFirst.Count} only in the first, {OnlyInSecond.Count} only in the second";
        foreach (Difference d in Differing.OrderByDescending(d => d.Relative).Take(Listed))
            yield return $"  {d.Name}  at most {d.MaxAbs:0.00e+0}, {d.Relative:0.00e+0} of the largest";
        foreach ((string side, IReadOnlyList<string> names) in new[] { ("first", OnlyInFirst), ("second", OnlyInSecond) })
        {
            if (names.Count > 0)
                yield return $"  only in the {side}: {string.Join(", ", names.Take(Listed))}{(names.Count > Listed ? ", …" : "")}";
        }

        yield return Same ? "the same" : "different";
    }

    static DiffSummary Compare(
        string first, string second, string of, IEnumerable<string> a, IEnumerable<string> b, Func<string, float[]> readA, Func<string, float[]> readB)
    {
        HashSet<string> inFirst = [.. a], inSecond = [.. b];
        string[] both = [.. inFirst.Where(inSecond.Contains).Order(StringComparer.Ordinal)];
        return new DiffSummary(
            first, second, of, both.Length,
            [.. both.Select(name => Between(name, readA(name), readB(name))).Where(d => d.MaxAbs > 0)],
            [.. inFirst.Except(inSecond).Order(StringComparer.Ordinal)],
            [.. inSecond.Except(inFirst).Order(StringComparer.Ordinal)]);
    }

    static Difference Between(string name, float[] a, float[] b)
    {
        if (a.Length != b.Length)
            return new Difference($"{name} ({a.Length} and {b.Length} numbers)", double.PositiveInfinity, double.PositiveInfinity);
        double most = 0, largest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = a[i].Equals(b[i]) ? 0 : Math.Abs((double)a[i] - b[i]);
            most = Math.Max(most, double.IsNaN(difference) ? double.PositiveInfinity : difference);
            largest = Math.Max(largest, Math.Abs((double)a[i]));
        }

        return new Difference(name, most, most == 0 ? 0 : largest > 0 ? most / largest : double.PositiveInfinity);
    }

    // The floating-point tensors of a file, or of all files in a folder, by file and name.
    sealed class TensorSet : IDisposable
    {
        readonly Dictionary<string, (SafetensorsReader File, string Name)> byName = [];
        readonly List<SafetensorsReader> open = [];

        public TensorSet(string path)
        {
            bool folder = Directory.Exists(path);
            string[] files = folder ? [.. Directory.EnumerateFiles(path, "*.safetensors", SearchOption.AllDirectories)] : [path];
            foreach (string file in files)
            {
                SafetensorsReader reader = new(file);
                open.Add(reader);
                foreach (string name in reader.Names.Where(n => reader.Entry(n).DType is SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16))
                    byName.Add(folder ? $"{Path.GetRelativePath(path, file)}: {name}" : name, (reader, name));
            }
        }

        public IEnumerable<string> Names => byName.Keys;

        public float[] Read(string name) => byName[name].File.ReadFloat32(byName[name].Name);

        public void Dispose() => open.ForEach(file => file.Dispose());
    }
}
