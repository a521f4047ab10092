using System.Text.Json;
using IlgpuDiffusion.Tests.Fixtures;
using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Tests.Attention;

/// Every case of fixtures/ops/attention against torch. T = 5e-5 for the family; cases whose reference gradient is 0 but for rounding
/// (one key only: dq = dk = 0) or whose softmax is one-hot have the README's measured error times ten.
public class AttentionFixtureTests(Devices devices) : DeviceTest(devices)
{
    static double Tolerance(string name) => name switch
    {
        "s1" => 1.8e-3,
        "t1" => 3.8e-3,
        "sharp" => 1.2e-4,
        _ => 5e-5,
    };

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Attention_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "attention.safetensors");
        List<string> failures = [];
        foreach (string name in file.Cases)
            failures.AddRange(Failures.Of(() => Verify(file, name, device)));
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    void Verify(FixtureFile file, string name, string device)
    {
        JsonElement attributes = file.Attributes(name);
        string op = attributes.GetProperty("op").GetString()!, layout = attributes.GetProperty("layout").GetString()!;
        Assert.True(op == "sdpa" && layout == "b,h,t,d", $"{name}: op '{op}' in layout '{layout}' is not known to this test");

        (float[] q, int[] queries) = file.Tensor(name, "q");
        (float[] k, int[] keys) = file.Tensor(name, "k");
        float[]? bias = null;
        int[] biasShape = [1, 1];
        if (file.Has(name, "bias"))
            (bias, biasShape) = file.Tensor(name, "bias");
        Kernel.Dims d = new(
            queries[0],
            queries[2],
            keys[2],
            queries[1],
            queries[3],
            attributes.GetProperty("scale").GetSingle(),
            attributes.GetProperty("causal").GetBoolean(),
            bias is not null,
            biasShape[0] > 1,
            biasShape[1] > 1);
        AttentionTests.Run run = AttentionTests.Run.Of(
            Arena(device), d, Inside(q, queries), Inside(k, keys), Inside(file.Floats(name, "v"), keys), Inside(file.Floats(name, "dy"), queries), bias);
        Tol.Close(run.Y, Inside(file.Floats(name, "y"), queries), Tolerance(name), $"{device} {name}.y");
        Tol.Close(run.Dq, Inside(file.Floats(name, "dq"), queries), Tolerance(name), $"{device} {name}.dq");
        Tol.Close(run.Dk, Inside(file.Floats(name, "dk"), keys), Tolerance(name), $"{device} {name}.dk");
        Tol.Close(run.Dv, Inside(file.Floats(name, "dv"), keys), Tolerance(name), $"{device} {name}.dv");
    }

    // (b, h, t, d) to (b, t, h·d).
    static float[] Inside(float[] x, int[] shape)
    {
        (int h, int t, int d) = (shape[1], shape[2], shape[3]);
        float[] y = new float[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            int b = i / (h * t * d), head = i / (t * d) % h, position = i / d % t;
            y[(((((b * t) + position) * h) + head) * d) + (i % d)] = x[i];
        }

        return y;
    }
}
