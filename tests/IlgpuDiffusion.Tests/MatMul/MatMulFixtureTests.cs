using System.Text.Json;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

[Trait("Category", "Fixtures")]
public sealed class MatMulFixtureTests(Devices devices) : DeviceTest(devices)
{
    const double Tolerance = 5e-6;

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Products_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "matmul.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement attributes = file.Attributes(name);
            bool transposeA = attributes.GetProperty("transpose_a").GetBoolean(), transposeB = attributes.GetProperty("transpose_b").GetBoolean();
            OpResult.Of(
                Arena(device),
                (tape, x) => Ops.MatMul.Forward(tape, x[0], x[1], transposeA, transposeB),
                file.Floats(name, "dy"),
                file.Tensor(name, "a"),
                file.Tensor(name, "b")).Matches(Tolerance, file.Floats(name, "y"), file.Floats(name, "da"), file.Floats(name, "db"));
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Linear_layers_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "linear.safetensors");
        foreach (string name in file.Cases)
        {
            string[] inputs = file.Has(name, "bias") ? ["x", "weight", "bias"] : ["x", "weight"];
            OpResult.Of(
                Arena(device),
                (tape, x) => Ops.Linear.Forward(tape, x[0], x[1], x.Count > 2 ? x[2] : null),
                file.Floats(name, "dy"),
                [.. inputs.Select(i => file.Tensor(name, i))])
                .Matches(Tolerance, file.Floats(name, "y"), [.. inputs.Select(i => file.Floats(name, "d" + i))]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_scaled_product_has_scaled_gradients(string device)
    {
        (float[], int[]) a = (KernelDevices.Numbers(10, 1), [2, 5]), b = (KernelDevices.Numbers(15, 2), [5, 3]);
        float[] dy = KernelDevices.Numbers(6, 3);
        OpResult plain = OpResult.Of(Arena(device), (tape, x) => Ops.MatMul.Forward(tape, x[0], x[1]), dy, a, b);
        OpResult half = OpResult.Of(Arena(device), (tape, x) => Ops.MatMul.Forward(tape, x[0], x[1], scale: 0.5f), dy, a, b);
        half.Matches(1e-6, Halved(plain.Y), [.. plain.Gradients.Select(Halved)]);
    }

    static float[] Halved(float[] x) => [.. x.Select(v => v / 2)];
}
