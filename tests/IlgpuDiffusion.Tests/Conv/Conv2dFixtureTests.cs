using System.Text.Json;
using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

[Trait("Category", "Fixtures")]
public sealed class Conv2dFixtureTests(Devices devices) : DeviceTest(devices)
{
    const double Tolerance = 1e-5;

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Convolutions_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "conv2d.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement attributes = file.Attributes(name);
            int stride = attributes.GetProperty("stride").GetInt32();
            int[] before = Ints(attributes, "pre_pad_left_right_top_bottom"), own = Ints(attributes, "padding");
            Padding padding = new(before[0] + own[1], before[1] + own[1], before[2] + own[0], before[3] + own[0]);
            string[] inputs = file.Has(name, "bias") ? ["x", "weight", "bias"] : ["x", "weight"];
            OpResult.Of(
                Arena(device),
                (tape, x) => Ops.Conv2d.Forward(tape, x[0], x[1], x.Count > 2 ? x[2] : null, stride, padding),
                ChannelsLast.Data(file, name, "dy"),
                [.. inputs.Select(i => ChannelsLast.Tensor(file, name, i))])
                .Matches(Tolerance, ChannelsLast.Data(file, name, "y"), [.. inputs.Select(i => ChannelsLast.Data(file, name, "d" + i))]);
        }
    }

    static int[] Ints(JsonElement attributes, string name) => [.. attributes.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
