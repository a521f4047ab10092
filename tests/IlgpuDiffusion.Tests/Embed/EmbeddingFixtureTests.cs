using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Embed;

/// Every case of fixtures/ops/embedding against torch and diffusers.
public class EmbeddingFixtureTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Embeddings_match_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "embedding.safetensors");
        List<string> failures = [];
        foreach (string name in file.Cases)
            failures.AddRange(Failures.Of(() => Verify(file, name, device)));
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    void Verify(FixtureFile file, string name, string device)
    {
        string op = file.Attributes(name).GetProperty("op").GetString()!;
        switch (op)
        {
            case "embedding":
            case "token + position embedding":
                Tokens(file, name, new Tape(Arena(device)));
                break;
            case "get_timestep_embedding":
                Timesteps(file, name, new Tape(Arena(device)));
                break;
            default:
                Assert.Fail($"{name}: op '{op}' is not known to this test");
                break;
        }
    }

    static void Tokens(FixtureFile file, string name, Tape tape)
    {
        (float[] ids, int[] shape) = file.Tensor(name, "ids");
        (float[] weight, int[] weightShape) = file.Tensor(name, "weight");
        Tensor table = tape.From(weight, weightShape);
        table.RequiresGrad = true;
        Tensor y = Ops.TokenEmbedding.Forward(tape, Array.ConvertAll(ids, v => (int)v), shape, table);
        Tensor? positions = null;
        if (file.Has(name, "pos"))
        {
            // A position embedding is the embedding of the positions, each of them once a sample.
            (float[] pos, int[] posShape) = file.Tensor(name, "pos");
            positions = tape.From(pos, posShape);
            positions.RequiresGrad = true;
            int[] at = [.. Enumerable.Range(0, ids.Length).Select(i => i % shape[^1])];
            y = Ops.Add.Forward(tape, y, Ops.TokenEmbedding.Forward(tape, at, shape, positions));
        }

        tape.Backward(y, tape.From(file.Floats(name, "dy"), y.Shape));
        Tol.Close(y.ToArray(), file.Floats(name, "y"), 1e-6, $"{name}.y");
        Tol.Close(table.Grad!.ToArray(), file.Floats(name, "dweight"), 1e-6, $"{name}.dweight");
        if (positions is not null)
            Tol.Close(positions.Grad!.ToArray(), file.Floats(name, "dpos"), 1e-6, $"{name}.dpos");
    }

    static void Timesteps(FixtureFile file, string name, Tape tape)
    {
        JsonElement attributes = file.Attributes(name);
        Tensor y = Ops.TimestepEmbedding.Forward(
            tape,
            file.Floats(name, "timesteps"),
            attributes.GetProperty("dim").GetInt32(),
            attributes.GetProperty("flip_sin_to_cos").GetBoolean(),
            attributes.GetProperty("downscale_freq_shift").GetSingle(),
            attributes.GetProperty("scale").GetSingle(),
            attributes.GetProperty("max_period").GetSingle());

        // The same float32 operations as diffusers', whose exponential may differ in its last bit: the largest argument, timestep times scale, is then off by a
        // spacing of floats there, and so are its sine and cosine. The floor is the fixtures' own tolerance.
        float largest = file.Floats(name, "timesteps").Max() * attributes.GetProperty("scale").GetSingle();
        Tol.Close(y.ToArray(), file.Floats(name, "y"), Math.Max(1e-3, MathF.BitIncrement(largest) - largest), $"{name}.y");
    }
}
