using System.Reflection;
using ILGPU;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Tests.TensorCore;

/// The mma instructions that no kernel uses yet: their text, and who holds which element, as the PTX ISA's figures say. On `ptx-sim`; never run on a GPU.
public class MmaTests
{
    static void F16Kernel(ArrayView<uint> a, ArrayView<uint> b, ArrayView<float> c)
    {
        int lane = Group.IdxX;
        Put(c, lane, Mma.F16(Get(a, lane), b[2 * lane], b[(2 * lane) + 1], default));
    }

    static void Tf32Kernel(ArrayView<uint> a, ArrayView<uint> b, ArrayView<float> c)
    {
        int lane = Group.IdxX;
        Put(c, lane, Mma.Tf32(Get(a, lane), b[2 * lane], b[(2 * lane) + 1], default));
    }

    static Fragment Get(ArrayView<uint> a, int lane)
    {
        Fragment f = default;
        f.X = a[4 * lane];
        f.Y = a[(4 * lane) + 1];
        f.Z = a[(4 * lane) + 2];
        f.W = a[(4 * lane) + 3];
        return f;
    }

    static void Put(ArrayView<float> c, int lane, Accumulator r)
    {
        c[4 * lane] = r.X;
        c[(4 * lane) + 1] = r.Y;
        c[(4 * lane) + 2] = r.Z;
        c[(4 * lane) + 3] = r.W;
    }

    [Fact]
    public void F16_multiplies_16_by_16_by_8()
    {
        uint Pair(float low, float high) => BitConverter.HalfToUInt16Bits((System.Half)low) | ((uint)BitConverter.HalfToUInt16Bits((System.Half)high) << 16);
        Check(
            nameof(F16Kernel),
            16,
            (a, g, t, r) => Pair(a(g + (r % 2 * 8), (2 * t) + (r / 2 * 8)), a(g + (r % 2 * 8), (2 * t) + (r / 2 * 8) + 1)),
            (b, g, t, r) => Pair(b((2 * t) + (r * 8), g), b((2 * t) + (r * 8) + 1, g)));
    }

    [Fact]
    public void Tf32_multiplies_16_by_8_by_8_and_drops_the_last_bits() => Check(
        nameof(Tf32Kernel),
        8,
        // The bits that tf32 has no room for are set: they must not count.
        (a, g, t, r) => BitConverter.SingleToUInt32Bits(a(g + (r % 2 * 8), t + (r / 2 * 4))) | 0x1FFF,
        (b, g, t, r) => BitConverter.SingleToUInt32Bits(b(t + (r * 4), g)) | 0x1FFF);

    // Numbers of few bits, so that every sum is exact.
    static void Check(
        string name, int depth, Func<Func<int, int, float>, int, int, int, uint> packA, Func<Func<int, int, float>, int, int, int, uint> packB)
    {
        float A(int row, int k) => ((row * 7) + (k * 3)) % 11 - 5;
        float B(int k, int column) => (((k * 5) + (column * 2)) % 9 - 4) / 8f;
        uint[] a = new uint[128], b = new uint[64];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int r = 0; r < 4; r++)
                a[(4 * lane) + r] = packA(A, lane / 4, lane % 4, r);
            for (int r = 0; r < 2; r++)
                b[(2 * lane) + r] = packB(B, lane / 4, lane % 4, r);
        }

        float[] c = new float[128];
        using PtxSimulator simulator = new();
        PtxKernel kernel = simulator.Kernel(typeof(MmaTests).GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic)!);
        PtxSimulator.Run(kernel, 1, 32, [a, b, c]);
        Assert.Equal((1, 0), (kernel.Count("mma.sync"), kernel.LocalBytes));
        for (int i = 0; i < c.Length; i++)
        {
            int lane = i / 4, row = (lane / 4) + (i % 4 / 2 * 8), column = (2 * (lane % 4)) + (i % 2);
            Assert.Equal(Enumerable.Range(0, depth).Sum(k => A(row, k) * B(k, column)), c[i]);
        }
    }
}
