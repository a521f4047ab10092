using System.Numerics;
using System.Runtime.CompilerServices;

namespace IlgpuDiffusion.Kernels.Common;

/// Loads and stores of the processor's vector width, whole or partial, so that one loop serves the body and the tail of a row:
/// `for (int i = 0; i &lt; n; i += Lanes.Width) Lanes.Store(f(Lanes.Load(x + i, n - i)), y + i, n - i);`
public static unsafe class Lanes
{
    public static int Width => Vector<float>.Count;

    /// The next elements, at most a vector's width; lanes past the end are zero.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Load(float* from, int left) => left >= Vector<float>.Count ? *(Vector<float>*)from : LoadPart(from, left);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector<float> v, float* to, int left)
    {
        if (left >= Vector<float>.Count)
            *(Vector<float>*)to = v;
        else
            StorePart(v, to, left);
    }

    static Vector<float> LoadPart(float* from, int left)
    {
        Vector<float> v = default;
        for (int i = 0; i < left; i++)
            ((float*)&v)[i] = from[i];
        return v;
    }

    static void StorePart(Vector<float> v, float* to, int left)
    {
        for (int i = 0; i < left; i++)
            to[i] = ((float*)&v)[i];
    }
}
