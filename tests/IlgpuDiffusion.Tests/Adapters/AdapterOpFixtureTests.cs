using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

[Trait("Category", "Fixtures")]
public sealed class AdapterOpFixtureTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Adapted_layers_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "lora.safetensors");
        foreach (string name in file.Cases)
        {
            string op = file.Attributes(name).GetProperty("op").GetString()!;
            if (op is "lora_linear" or "per_sample_lora")
                Linear(file, name, device);
            else if (op.StartsWith("conv lora", StringComparison.Ordinal))
                Convolution(file, name, op, device);
            else if (op == "lidb")
                Lidb(file, name, device);
            else
                Assert.Fail($"{name}: no test knows the op '{op}'");
        }
    }

    void Linear(FixtureFile file, string name, string device)
    {
        float scale = file.Attributes(name).GetProperty("scale").GetSingle();
        string[] inputs = file.Has(name, "bias") ? ["x", "weight", "A", "B", "bias"] : ["x", "weight", "A", "B"];
        OpResult.Of(
            Arena(device),
            (tape, x) => LoraLinear.Forward(tape, x[0], x[1], x.Count > 4 ? x[4] : null, x[2], x[3], scale),
            file.Floats(name, "dy"),
            [.. inputs.Select(i => file.Tensor(name, i))])
            .Matches(5e-6, file.Floats(name, "y"), [.. inputs.Select(i => file.Floats(name, "d" + i))]);
    }

    // The attribute says "conv lora, stride S, padding P".
    void Convolution(FixtureFile file, string name, string op, string device)
    {
        float scale = file.Attributes(name).GetProperty("scale").GetSingle();
        int[] numbers = [.. op.Split(',')[1..].Select(part => int.Parse(part.Split(' ')[^1]))];
        string[] inputs = ["x", "weight", "down", "up"];
        OpResult.Of(
            Arena(device),
            (tape, x) => LoraConv2d.Forward(tape, x[0], x[1], null, x[2], x[3], scale, numbers[0], Padding.Same(numbers[1])),
            ChannelsLast.Data(file, name, "dy"),
            [.. inputs.Select(i => ChannelsLast.Tensor(file, name, i))])
            .Matches(2e-6, ChannelsLast.Data(file, name, "y"), [.. inputs.Select(i => ChannelsLast.Data(file, name, "d" + i))]);
    }

    void Lidb(FixtureFile file, string name, string device)
    {
        float[] down = [], up = [];
        OpResult result = OpResult.Of(
            Arena(device),
            (tape, x) =>
            {
                x[2].RequiresGrad = false;
                x[5].RequiresGrad = false;
                (Tensors.Tensor d, Tensors.Tensor u) = LidbCompose.Forward(tape, x[2], x[3], x[4], x[5]);
                (down, up) = (d.ToArray(), u.ToArray());
                return LoraLinear.Forward(tape, x[0], x[1], null, d, u, 1);
            },
            file.Floats(name, "dy"),
            [.. new[] { "x", "weight", "A_aux", "A_train", "B_train", "B_aux" }.Select(i => file.Tensor(name, i))]);
        Tol.Close(down, file.Floats(name, "down"), 5e-6, $"{name}.down");
        Tol.Close(up, file.Floats(name, "up"), 5e-6, $"{name}.up");
        Tol.Close(result.Y, file.Floats(name, "y"), 5e-6, $"{name}.y");
        Tol.Close(result.Gradients[0], file.Floats(name, "dx"), 5e-6, $"{name}.dx");
        Tol.Close(result.Gradients[3], file.Floats(name, "dA_train"), 5e-6, $"{name}.dA_train");
        Tol.Close(result.Gradients[4], file.Floats(name, "dB_train"), 5e-6, $"{name}.dB_train");
    }
}
