using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests;

public sealed class OrthonormalBasisTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Canonical_decomposition_matches_torch()
    {
        using FixtureFile file = FixtureFile.Open("ops", "qr.safetensors");
        foreach (string name in file.Cases)
        {
            (float[] x, int[] shape) = file.Tensor(name, "x");
            (float[] q, float[] r) = OrthonormalBasis.Factor(x, shape[0], shape[1]);
            Tol.Close(q, file.Floats(name, "q_canonical"), 5e-5, $"{name}.q");
            Tol.Close(r, file.Floats(name, "r_canonical"), 5e-5, $"{name}.r");
        }
    }

    [Theory]
    [InlineData(320, 100)]
    [InlineData(64, 64)]
    [InlineData(7, 1)]
    public void A_random_basis_is_orthonormal_and_follows_from_seed_and_name(int rows, int columns)
    {
        float[] q = RandomBasis.Columns(7, "mid.to_q.A_aux", rows, columns);
        for (int i = 0; i < columns; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double dot = 0;
                for (int k = 0; k < rows; k++)
                    dot += (double)q[k * columns + i] * q[k * columns + j];
                Assert.Equal(i == j ? 1 : 0, dot, 1e-6);
            }
        }

        Assert.Equal(q, RandomBasis.Columns(7, "mid.to_q.A_aux", rows, columns));
        Assert.NotEqual(q, RandomBasis.Columns(7, "mid.to_k.A_aux", rows, columns));
        Assert.NotEqual(q, RandomBasis.Columns(8, "mid.to_q.A_aux", rows, columns));
        float[] transposed = RandomBasis.Rows(7, "mid.to_q.A_aux", columns, rows);
        Assert.Equal(q[columns - 1], transposed[(columns - 1) * rows]);
    }

    [Fact]
    public void Too_many_columns_and_dependent_columns_are_refused()
    {
        Assert.Contains("(2, 3)", Assert.Throws<IlgdException>(() => OrthonormalBasis.Factor(new float[6], 2, 3)).Message, StringComparison.Ordinal);
        Assert.Contains("column 1", Assert.Throws<IlgdException>(() => OrthonormalBasis.Factor([1, 2, 1, 2], 2, 2)).Message, StringComparison.Ordinal);
    }
}
