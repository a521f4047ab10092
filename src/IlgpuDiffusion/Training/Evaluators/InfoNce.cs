using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Evaluators;

/// Two views of the same thing shall be nearer than views of different things (van den Oord et al. 2018; symmetric as in CLIP, Radford et al. 2021):
/// L = ½ (CE(S) + CE(Sᵀ)), S_ij = (cos(a_i, b_j) − margin·[i = j]) / τ, the label of row i is i. The margin (as in CosFace, Wang et al. 2018) asks for more than being nearest.
public static class InfoNce
{
    // A pair that is no negative: exp of this is 0 in float32 beside any cosine / τ.
    const float Excluded = -1e4f;

    /// a, b: (N, D)   `alike(i, j)`: pairs beside the diagonal that are not told apart, because both are the same thing   returns a scalar
    public static Tensor Forward(Tape tape, Tensor a, Tensor b, float temperature, float margin = 0, Func<int, int, bool>? alike = null)
    {
        int n = a.Shape[0];
        float[] shift = new float[n * n];
        int[] labels = new int[n];
        for (int i = 0; i < n; i++)
        {
            labels[i] = i;
            for (int j = 0; j < n; j++)
                shift[(i * n) + j] = i == j ? -margin / temperature : alike is not null && alike(i, j) ? Excluded : 0;
        }

        // Symmetric, so one table serves rows and columns.
        Tensor shifts = tape.From(shift, [n, n]);
        Tensor u = Ops.L2Normalize.Forward(tape, a), v = Ops.L2Normalize.Forward(tape, b);
        Tensor rows = Ops.Add.Forward(tape, Ops.MatMul.Forward(tape, u, v, transposeB: true, scale: 1 / temperature), shifts);
        Tensor columns = Ops.Add.Forward(tape, Ops.MatMul.Forward(tape, v, u, transposeB: true, scale: 1 / temperature), shifts);
        return Ops.Scale.Forward(tape, Ops.Add.Forward(tape, Ops.CrossEntropy.Forward(tape, rows, labels), Ops.CrossEntropy.Forward(tape, columns, labels)), 0.5f);
    }
}
