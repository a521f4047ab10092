using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Spatial;

/// Every case of ops/spatial. The file is NCHW, the engine NHWC: axis 1 of four there is the last one here.
public class SpatialFixtureTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Every_case_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "spatial.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement attributes = file.Attributes(name);
            int Int(string key) => attributes.GetProperty(key).GetInt32();
            void Check(double t, Func<Tape, IReadOnlyList<Tensor>, Tensor> op, params string[] inputs) =>
                Fixture.Check(file, name, t, Arena(device), op, channelsLast: true, inputs);

            switch (attributes.GetProperty("op").GetString())
            {
                case "x[b,c,h,w] + temb[b,c]":
                    Check(1e-6, (t, i) => Ops.AddChannels.Forward(t, i[0], i[1]), "x", "temb");
                    break;
                case "x * r broadcast over the last dim":
                    Check(1e-6, (t, i) => Ops.Multiply.Forward(t, i[0], i[1]), "x", "r");
                    break;
                case "avg_pool2d":
                    Check(1e-6, (t, i) => Ops.AveragePool.Forward(t, i[0], Int("kernel"), Int("stride"), Int("padding")), "x");
                    break;
                case "max_pool2d":
                    Check(1e-6, (t, i) => Ops.MaxPool.Forward(t, i[0], Int("kernel"), Int("stride"), Int("padding")), "x");
                    break;
                case "mean over h,w":
                    Check(1e-6, (t, i) => Ops.GlobalAveragePool.Forward(t, i[0]), "x");
                    break;
                case "upsample_nearest2x":
                    Check(1e-6, (t, i) => Ops.Upsample.Forward(t, i[0]), "x");
                    break;
                case "concat":
                    int rank = file.Tensor(name, "a").Shape.Length, dim = Int("dim");
                    int[] channelsLast = [0, 3, 1, 2];
                    Check(0, (t, i) => Ops.Concat.Forward(t, i[0], i[1], rank == 4 ? channelsLast[dim] : dim), "a", "b");
                    break;
                case "batch_norm eval":
                    float eps = attributes.GetProperty("eps").GetSingle();
                    Check(2e-6, (t, i) => Ops.BatchNorm.Forward(t, i[0], i[1], i[2], i[3], i[4], eps), "x", "weight", "bias", "running_mean", "running_var");
                    break;
                case var other:
                    Assert.Fail($"{name}: no test for op '{other}'");
                    break;
            }
        }
    }
}
