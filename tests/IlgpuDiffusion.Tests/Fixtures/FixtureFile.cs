using System.Text.Json;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.Fixtures;

/// A golden file: tensors named `case.name` (split at the first dot), and in the metadata `cases`, case -> attributes.
public sealed class FixtureFile : IDisposable
{
    readonly SafetensorsReader reader;
    readonly JsonDocument cases;

    public FixtureFile(string path)
    {
        reader = new(path);
        cases = JsonDocument.Parse(PythonJson.Strict(reader.Metadata["cases"]));
        Cases = [.. cases.RootElement.EnumerateObject().Select(c => c.Name)];
    }

    /// Opens shared/fixtures/`relative`, or skips the test.
    public static FixtureFile Open(params string[] relative) => new(Shared.Require(["fixtures", .. relative]));

    public IReadOnlyList<string> Cases { get; }

    public IReadOnlyDictionary<string, string> Metadata => reader.Metadata;

    /// The attributes of a case, a JSON object.
    public JsonElement Attributes(string name) => cases.RootElement.GetProperty(name);

    public bool Has(string name, string tensor) => reader.Contains($"{name}.{tensor}");

    /// Names of a case's tensors, without the case.
    public IEnumerable<string> Tensors(string name) =>
        reader.Names.Where(n => n.StartsWith(name + ".", StringComparison.Ordinal)).Select(n => n[(name.Length + 1)..]);

    /// Any dtype as floats (ids and bytes too: they are small), with its shape.
    public (float[] Data, int[] Shape) Tensor(string name, string tensor)
    {
        SafetensorsEntry entry = reader.Entry($"{name}.{tensor}");
        float[] data = entry.DType is SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16 or SafetensorsDType.F64
            ? reader.ReadFloat32(entry.Name)
            : Array.ConvertAll(reader.ReadInt64(entry.Name), v => (float)v);
        return (data, entry.Shape);
    }

    public float[] Floats(string name, string tensor) => Tensor(name, tensor).Data;

    public double[] Doubles(string name, string tensor) => reader.ReadFloat64($"{name}.{tensor}");

    public long[] Longs(string name, string tensor) => reader.ReadInt64($"{name}.{tensor}");

    public byte[] Bytes(string name, string tensor) => reader.Bytes($"{name}.{tensor}").ToArray();

    public void Dispose()
    {
        reader.Dispose();
        cases.Dispose();
    }
}
