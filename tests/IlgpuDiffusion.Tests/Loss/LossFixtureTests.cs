using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Loss;

/// Every case of ops/losses.
public partial class LossFixtureTests(Devices devices) : DeviceTest(devices)
{
    const double Mse = 2e-6, Cosine = 5e-6;

    // A row of one element: the true gradient is exactly zero, so torch's own rounding (2.4e-4 of the floor, the README says) is compared.
    const double CosineOfOneElement = 2.4e-3;

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Every_case_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "losses.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement attributes = file.Attributes(name);
            void Check(double t, Func<Tape, IReadOnlyList<Tensor>, Tensor> op, params string[] inputs) =>
                Fixture.Check(file, name, t, Arena(device), op, inputs);

            string op = attributes.GetProperty("op").GetString()!;
            if (op == "cosine_similarity")
                Check(file.Tensor(name, "a").Shape[^1] == 1 ? CosineOfOneElement : Cosine, (t, i) => Ops.CosineSimilarity.Forward(t, i[0], i[1]), "a", "b");
            else if (op == "x / max(||x||, 1e-12)")
                Check(Cosine, (t, i) => Ops.L2Normalize.Forward(t, i[0]), "x");
            else if (op == "mean abs")
                Check(Mse, (t, i) => Ops.L1.Forward(t, i[0], i[1]), "x", "target");
            else if (op == "mse mean over all elements")
                Check(Mse, (t, i) => Ops.Mse.Forward(t, i[0], i[1]), "x", "target");
            else if (op.StartsWith("mean over sample, times w[b], mean over batch", StringComparison.Ordinal))
                Check(Mse, (t, i) => Ops.Mse.Forward(t, i[0], i[1], sampleWeights: i[2].ToArray()), "x", "target", "w");
            else if (attributes.TryGetProperty("prior_loss_weight", out JsonElement prior))
                Check(Mse, (t, i) => WithPrior(t, i[0], i[1], prior.GetSingle()), "x", "target");
            else if (Beta().Match(op) is { Success: true } beta)
                Check(Mse, (t, i) => Ops.SmoothL1.Forward(t, i[0], i[1], float.Parse(beta.Groups[1].Value, CultureInfo.InvariantCulture)), "x", "target");
            else
                Assert.Fail($"{name}: no test for op '{op}'");
        }
    }

    /// DreamBooth's loss: the batch's first half is the subject, the second half the prior.
    static Tensor WithPrior(Tape tape, Tensor x, Tensor target, float weight)
    {
        int half = x.Shape[0] / 2;
        Tensor Half(int start) =>
            Ops.Mse.Forward(tape, Ops.Slice.Forward(tape, x, 0, start, half), Ops.Slice.Forward(tape, target, 0, start, half));
        return Ops.Add.Forward(tape, Half(0), Ops.Scale.Forward(tape, Half(half), weight));
    }

    [GeneratedRegex(@"^smooth l1, beta ([0-9.]+)$")]
    private static partial Regex Beta();
}
