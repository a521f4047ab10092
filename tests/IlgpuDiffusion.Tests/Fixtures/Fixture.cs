using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Fixtures;

/// Runs one case of a file of op fixtures: inputs by name, `y`, `dy`, and `d&lt;input>` where the file has it.
public static class Fixture
{
    /// Compares the op's output and gradients with the case's. With `channelsLast`, tensors of rank 4 are NCHW in the file and NHWC here.
    public static void Check(
        FixtureFile file, string name, double t, Arena arena, Func<Tape, IReadOnlyList<Tensor>, Tensor> op, bool channelsLast, params string[] inputs)
    {
        (float[] Data, int[] Shape) Read(string tensor)
        {
            (float[] data, int[] shape) = file.Tensor(name, tensor);
            return channelsLast && shape.Length == 4 ? ChannelsLast(data, shape) : (data, shape);
        }

        // Each tensor of the case takes part, or the test says nothing about it.
        string[] known = [.. inputs, .. inputs.Select(i => "d" + i), "y", "dy"];
        Assert.Empty(file.Tensors(name).Except(known));

        (float[] y, int[] shape) = Read("y");
        OpResult result = OpResult.Of(arena, op, Read("dy").Data, [.. inputs.Select(Read)]);
        Assert.Equal(shape, result.Shape);
        Tol.Close(result.Y, y, t, $"{name}.y");
        for (int i = 0; i < inputs.Length; i++)
        {
            if (file.Has(name, "d" + inputs[i]))
                Tol.Close(result.Gradients[i], Read("d" + inputs[i]).Data, t, $"{name}.d{inputs[i]}");
        }
    }

    public static void Check(FixtureFile file, string name, double t, Arena arena, Func<Tape, IReadOnlyList<Tensor>, Tensor> op, params string[] inputs) =>
        Check(file, name, t, arena, op, channelsLast: false, inputs);

    static (float[] Data, int[] Shape) ChannelsLast(float[] data, int[] shape)
    {
        (int b, int c, int pixels) = (shape[0], shape[1], shape[2] * shape[3]);
        float[] last = new float[data.Length];
        for (int i = 0; i < data.Length; i++)
        {
            int n = i / (c * pixels), channel = i / pixels % c;
            last[(((n * pixels) + (i % pixels)) * c) + channel] = data[i];
        }

        return (last, [b, shape[2], shape[3], c]);
    }
}
