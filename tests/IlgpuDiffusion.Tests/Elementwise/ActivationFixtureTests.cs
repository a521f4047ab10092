using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Elementwise;

/// Every case of ops/activations.
public class ActivationFixtureTests(Devices devices) : DeviceTest(devices)
{
    static readonly Dictionary<string, double> Tolerances = new()
    {
        ["exp"] = 1e-6,
        ["geglu"] = 1e-5,
        ["gelu"] = 1e-6,
        ["gelu_tanh"] = 5e-6,
        ["quick_gelu"] = 5e-6,
        ["relu"] = 0,
        ["sigmoid"] = 5e-6,
        ["silu"] = 2e-6,
        ["tanh"] = 1e-6,
    };

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Every_case_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "activations.safetensors");
        foreach (string name in file.Cases)
        {
            string op = file.Attributes(name).GetProperty("op").GetString()!;
            Assert.True(Tolerances.TryGetValue(op, out double t), $"{name}: no test for op '{op}'");
            if (op == "geglu")
                Fixture.Check(file, name, t, Arena(device), Geglu, "x", "weight", "bias");
            else
                Fixture.Check(file, name, t, Arena(device), (tape, i) => UnaryTests.Op(op)!(tape, i[0]), "x");
        }
    }

    /// The fixture has the linear layer in front.
    static Tensor Geglu(Tape tape, IReadOnlyList<Tensor> i) => Ops.Geglu.Forward(tape, Ops.Linear.Forward(tape, i[0], i[1], i[2]));
}
