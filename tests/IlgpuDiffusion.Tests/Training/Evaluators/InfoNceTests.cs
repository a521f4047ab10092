using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training.Evaluators;

namespace IlgpuDiffusion.Tests.Training.Evaluators;

public class InfoNceTests(Devices devices) : DeviceTest(devices)
{
    const int N = 5, D = 7;

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void It_is_the_formula_with_margin_and_without_the_excluded_pairs(string device)
    {
        float[] a = GradCheck.Values(N * D, 1), b = GradCheck.Values(N * D, 2);
        static bool Alike(int i, int j) => Math.Abs(i - j) == 2;
        OpResult result = OpResult.Of(Arena(device), (t, x) => InfoNce.Forward(t, x[0], x[1], 0.2f, 0.1f, Alike), null, (a, [N, D]), (b, [N, D]));
        Tol.Close(result.Y, [(float)Expected(a, b, 0.2, 0.1, Alike)], 1e-5, "loss");
        Assert.NotEqual(Expected(a, b, 0.2, 0.1, Alike), Expected(a, b, 0.2, 0, Alike));
        Assert.NotEqual(Expected(a, b, 0.2, 0.1, Alike), Expected(a, b, 0.2, 0.1, (_, _) => false));
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Its_gradient_is_that_of_differences(string device) => GradCheck.Verify(
        Arena(device),
        (t, x) => InfoNce.Forward(t, x[0], x[1], 0.5f, 0.1f),
        [(GradCheck.Values(N * D, 3), [N, D]), (GradCheck.Values(N * D, 4), [N, D])]);

    static double Expected(float[] a, float[] b, double temperature, double margin, Func<int, int, bool> alike)
    {
        double[,] s = new double[N, N];
        for (int i = 0; i < N; i++)
        {
            for (int j = 0; j < N; j++)
            {
                double dot = 0, aa = 0, bb = 0;
                for (int k = 0; k < D; k++)
                {
                    dot += (double)a[(i * D) + k] * b[(j * D) + k];
                    aa += (double)a[(i * D) + k] * a[(i * D) + k];
                    bb += (double)b[(j * D) + k] * b[(j * D) + k];
                }

                s[i, j] = ((dot / Math.Sqrt(aa * bb)) - (i == j ? margin : 0)) / temperature;
            }
        }

        double loss = 0;
        for (int i = 0; i < N; i++)
        {
            double row = 0, column = 0;
            for (int j = 0; j < N; j++)
            {
                if (i != j && alike(i, j))
                    continue;
                row += Math.Exp(s[i, j]);
                column += Math.Exp(s[j, i]);
            }

            loss += (Math.Log(row) - s[i, i] + Math.Log(column) - s[i, i]) / (2 * N);
        }

        return loss;
    }
}
