using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

/// What an op gave on a device: its output, and the gradient of each input for a given upstream one.
public sealed record OpResult(float[] Y, int[] Shape, IReadOnlyList<float[]> Gradients)
{
    /// Runs an op forwards and backwards, and ends the step. Without `dy` nothing is recorded.
    public static OpResult Of(Arena arena, Func<Tape, IReadOnlyList<Tensor>, Tensor> op, float[]? dy, params (float[] Values, int[] Shape)[] inputs)
    {
        Tape tape = new(arena, recording: dy is not null);
        Tensor[] tensors = [.. inputs.Select(x => tape.From(x.Values, x.Shape))];
        foreach (Tensor t in tensors)
            t.RequiresGrad = dy is not null;
        Tensor y = op(tape, tensors);
        float[] result = y.ToArray();
        if (dy is not null)
            tape.Backward(y, tape.From(dy, y.Shape));
        float[][] gradients = [.. tensors.Select(t => t.Grad?.ToArray() ?? [])];
        arena.Reset();
        return new OpResult(result, y.Shape.Dims.ToArray(), gradients);
    }

    public void Matches(double t, float[] y, params float[][] gradients)
    {
        Tol.Close(Y, y, t, "y");
        for (int i = 0; i < gradients.Length; i++)
            Tol.Close(Gradients[i], gradients[i], t, $"gradient of input {i}");
    }
}
