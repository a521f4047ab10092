namespace IlgpuDiffusion.Adapters;

/// Where the directions between which LiDB works come from.
public interface IBasis
{
    /// As settings and files name it.
    string Name { get; }

    /// returns A_aux (in, a) with orthonormal columns and B_aux (b, out) with orthonormal rows
    (float[] A, float[] B) For(AdapterTarget target, int a, int b);
}
