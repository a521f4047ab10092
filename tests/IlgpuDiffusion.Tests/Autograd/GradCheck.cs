using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Autograd;

/// Compares the tape's gradients with central differences of L = Σ w·f(x), with fixed random w, summed in double.
/// In float32 a difference of step h carries an error of about ε·|L|/h + h²·f‴/6, so a step near 1e-2 and a tolerance near 1e-2 are
/// what the arithmetic allows; the fixtures check the digits.
public static class GradCheck
{
    public static void Verify(
        Arena arena, Func<Tape, IReadOnlyList<Tensor>, Tensor> f, IReadOnlyList<(float[] Values, int[] Shape)> inputs, float step = 1e-2f, double tolerance = 1e-2)
    {
        float[]? weights = null;
        double Loss(IReadOnlyList<float[]> values)
        {
            Tape tape = new(arena, recording: false);
            Tensor y = f(tape, [.. values.Select((v, i) => tape.From(v, inputs[i].Shape))]);
            float[] host = y.ToArray();
            weights ??= Values(host.Length, 99);
            double loss = 0;
            for (int i = 0; i < host.Length; i++)
                loss += (double)weights[i] * host[i];
            arena.Reset();
            return loss;
        }

        float[][] start = [.. inputs.Select(x => x.Values)];
        Loss(start);

        Tape recorded = new(arena);
        Tensor[] tensors = [.. inputs.Select(x => recorded.From(x.Values, x.Shape))];
        foreach (Tensor t in tensors)
            t.RequiresGrad = true;
        Tensor output = f(recorded, tensors);
        recorded.Backward(output, recorded.From(weights!, output.Shape));
        float[][] analytic = [.. tensors.Select(t => t.Grad?.ToArray() ?? throw new InvalidOperationException("an input got no gradient"))];
        arena.Reset();

        for (int input = 0; input < start.Length; input++)
        {
            double scale = Math.Max(1e-2, analytic[input].Length == 0 ? 0 : analytic[input].Max(Math.Abs));
            // At most 24 elements an input, spread over it: a wrong formula shows on every element.
            int stride = Math.Max(1, start[input].Length / 24);
            for (int i = 0; i < start[input].Length; i += stride)
            {
                float[][] plus = [.. start.Select(v => (float[])v.Clone())], minus = [.. start.Select(v => (float[])v.Clone())];
                plus[input][i] += step;
                minus[input][i] -= step;
                double numeric = (Loss(plus) - Loss(minus)) / ((double)plus[input][i] - minus[input][i]);
                Assert.True(
                    Math.Abs(numeric - analytic[input][i]) <= tolerance * scale,
                    $"input {input}, element {i}: tape {analytic[input][i]}, difference {numeric}, allowed {tolerance * scale}");
            }
        }
    }

    /// Reproducible values in ±1 for test inputs.
    public static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)((random.NextDouble() * 2) - 1);
        return values;
    }
}
