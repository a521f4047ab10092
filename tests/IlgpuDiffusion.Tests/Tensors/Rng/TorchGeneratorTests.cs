using System.Globalization;
using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Tensors.Rng;

/// Every case of rng/torch_cpu.safetensors. Uniforms and integers: equal. Normals: fixtures/README.md, "Random numbers".
[Trait("Category", "Fixtures")]
public sealed class TorchGeneratorTests
{
    // torch against itself on another processor.
    const float LargeNormalError = 3e-6f;

    [Fact]
    public void Every_case_of_the_fixture_comes_out()
    {
        using FixtureFile file = FixtureFile.Open("rng", "torch_cpu.safetensors");
        Assert.NotEmpty(file.Cases);
        Assert.All(file.Cases, name => Check(file, name, file.Attributes(name)));
    }

    static void Check(FixtureFile file, string name, JsonElement attributes)
    {
        TorchGenerator torch = new(ulong.Parse(attributes.GetProperty("seed").GetString()!, CultureInfo.InvariantCulture));
        string call = attributes.TryGetProperty("call", out JsonElement c) ? c.GetString()! : name;
        switch (call)
        {
            case "mt19937_raw":
                Assert.Equal(file.Longs(name, "first"), file.Longs(name, "first").Select(_ => (long)torch.NextUInt32()));
                break;
            case "sequence":
                foreach (JsonElement step in attributes.GetProperty("calls").EnumerateArray())
                    CheckNormal(file.Floats(name, step[0].GetString()!), torch.Randn, $"{name}.{step[0]}");
                break;
            case "latents_512":
                CheckLatents(file, name, attributes, torch);
                break;
            case "randint":
                long[] integers = new long[file.Longs(name, "y").Length];
                torch.RandInt(integers, attributes.GetProperty("low").GetInt64(), attributes.GetProperty("high").GetInt64());
                Assert.Equal(file.Longs(name, "y"), integers);
                break;
            case "randperm":
                Assert.Equal(file.Longs(name, "y"), torch.RandPerm(attributes.GetProperty("n").GetInt32()));
                break;
            case "randn float32":
                CheckNormal(file.Floats(name, "y"), torch.Randn, name);
                break;
            case string when call.StartsWith("rand float32", StringComparison.Ordinal):
                float[] uniforms = new float[file.Floats(name, "y").Length];
                torch.Rand(uniforms);
                Assert.Equal(file.Floats(name, "y"), uniforms);
                break;
            case string when call.StartsWith("rand float64", StringComparison.Ordinal):
                double[] fine = new double[file.Doubles(name, "f64_y").Length];
                torch.Rand(fine);
                Assert.Equal(file.Doubles(name, "f64_y"), fine);
                break;
            case string when call.StartsWith("randn float64", StringComparison.Ordinal):
                double[] normals = new double[file.Doubles(name, "f64_y").Length];
                torch.Randn(normals);
                Assert.All(normals.Zip(file.Doubles(name, "f64_y")), p => Assert.Equal(p.Second, p.First, tolerance: 1e-14));
                break;
            case string when call.EndsWith("bf16", StringComparison.Ordinal):
                CheckRounded(file, name, torch, v => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(v)));
                break;
            case string when call.EndsWith("f16", StringComparison.Ordinal):
                CheckRounded(file, name, torch, v => (float)(Half)v);
                break;
            default:
                Assert.Fail($"{name}: unknown call {call}");
                break;
        }
    }

    delegate void Fill(Span<float> destination);

    static void CheckNormal(float[] expected, Fill fill, string what)
    {
        float[] actual = new float[expected.Length];
        fill(actual);
        for (int i = 0; i < expected.Length; i++)
        {
            float allowed = expected.Length < 16 ? MathF.BitIncrement(Math.Abs(expected[i])) - Math.Abs(expected[i]) : LargeNormalError;
            Assert.True(Math.Abs(actual[i] - expected[i]) <= allowed, $"{what}[{i}]: {actual[i]:G9}, expected {expected[i]:G9}");
        }
    }

    /// Half precision: the float32 values, rounded. Those that lie within the error of a float32 normal from a tie may go the other way.
    static void CheckRounded(FixtureFile file, string name, TorchGenerator torch, Func<float, float> round)
    {
        foreach (string tensor in (string[])["small", "large"])
        {
            float[] expected = file.Floats(name, tensor);
            float[] actual = new float[expected.Length];
            torch.RandnHalf(actual);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(expected[i] >= round(actual[i] - LargeNormalError) && expected[i] <= round(actual[i] + LargeNormalError),
                    $"{name}.{tensor}[{i}]: {actual[i]:G9}, expected {expected[i]:G9}");
            }
        }
    }

    static void CheckLatents(FixtureFile file, string name, JsonElement attributes, TorchGenerator torch)
    {
        float[] latents = new float[attributes.GetProperty("shape").EnumerateArray().Aggregate(1, (n, d) => n * d.GetInt32())];
        torch.Randn(latents);
        float[] head = file.Floats(name, "head");
        float[] tail = file.Floats(name, "tail");
        CheckNormal(head, d => latents.AsSpan(0, d.Length).CopyTo(d), $"{name}.head");
        CheckNormal(tail, d => latents.AsSpan(latents.Length - d.Length).CopyTo(d), $"{name}.tail");
        double[] stat = FormulaStat.Of(name, latents, file.Metadata["salt"]);
        Assert.All(file.Doubles(name, "stat").Zip(stat), p => Assert.Equal(p.First, p.Second, tolerance: LargeNormalError * Math.Sqrt(latents.Length)));
    }
}
