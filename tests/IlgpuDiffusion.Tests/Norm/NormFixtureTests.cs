using System.Text.Json;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Norm;

/// Every case of fixtures/ops/norms: torch's inputs, against torch in float64 (`_ref64`) where the file has it. The tolerance is the
/// README's for the family, also where torch's own float32 is ill-conditioned: the statistics here keep what float32 drops of the mean.
public class NormFixtureTests(Devices devices) : DeviceTest(devices)
{
    const double Tolerance = 5e-6;

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Norms_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "norms.safetensors");
        List<string> failures = [];
        foreach (string name in file.Cases)
            failures.AddRange(Failures.Of(() => Verify(file, name, device)));
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    void Verify(FixtureFile file, string name, string device)
    {
        JsonElement attributes = file.Attributes(name);
        float eps = attributes.GetProperty("eps").GetSingle();
        (float[] x, int[] shape) = file.Tensor(name, "x");
        float[] weight = file.Floats(name, "weight"), bias = file.Floats(name, "bias"), dy = file.Floats(name, "dy");
        string op = attributes.GetProperty("op").GetString()!;
        Run run;
        switch (op)
        {
            case "layer_norm":
                run = Run.LayerNorm(Arena(device), x, shape, weight, bias, dy, eps);
                break;
            case "group_norm":
                int[] held = [shape[0], .. shape[2..], shape[1]];
                int groups = attributes.GetProperty("groups").GetInt32();
                run = Run.GroupNorm(Arena(device), ChannelsLast(x, shape), held, weight, bias, ChannelsLast(dy, shape), groups, eps, false);
                run = run with { Y = ChannelsFirst(run.Y, shape), Dx = ChannelsFirst(run.Dx, shape) };
                break;
            default:
                Assert.Fail($"{name}: op '{op}' is not known to this test");
                return;
        }

        foreach ((string tensor, float[] values) in (IEnumerable<(string, float[])>)
            [("y", run.Y), ("dx", run.Dx), ("dweight", run.DWeight), ("dbias", run.DBias)])
        {
            string reference = file.Has(name, tensor + "_ref64") ? tensor + "_ref64" : tensor;
            Tol.Close(values, file.Floats(name, reference), Tolerance, $"{device} {name}.{reference}");
        }
    }

    // (B, C, P) to (B, P, C) and back; `shape` is the published one.
    static float[] ChannelsLast(float[] x, int[] shape) => Swapped(x, shape[0], shape[1], x.Length / (shape[0] * shape[1]));

    static float[] ChannelsFirst(float[] x, int[] shape) => Swapped(x, shape[0], x.Length / (shape[0] * shape[1]), shape[1]);

    static float[] Swapped(float[] x, int b, int rows, int columns)
    {
        float[] y = new float[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            int sample = i / (rows * columns), row = i / columns % rows, column = i % columns;
            y[(((sample * columns) + column) * rows) + row] = x[i];
        }

        return y;
    }
}
