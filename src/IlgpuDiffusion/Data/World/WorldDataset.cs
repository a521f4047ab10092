namespace IlgpuDiffusion.Data.World;

/// One rendered training picture, 64x64 RGB (HWC, 0..1).
public sealed record WorldSample(float[] Image, string Caption, long IdentitySeed, FaceContext Context);

/// The endless training set: picture i shows identity i mod Identities; the first pass over the identities is unstyled, so
/// each of them is seen plainly. Identity seeds lie in 0 .. Identities-1, those for evaluation from FaceIdentity.FirstHeldOut on.
public sealed class WorldDataset
{
    public WorldDataset(int identities = 4000, int size = 64)
    {
        if (identities is < 1 || identities > FaceIdentity.FirstHeldOut)
            throw new IlgdException($"WorldDataset: {identities} identities; 1 to {FaceIdentity.FirstHeldOut} keep clear of the held-out seeds");
        Identities = identities;
        Size = size;
    }

    public int Identities { get; }
    public int Size { get; }

    /// The seed of the i-th identity that no training sees.
    public static long HeldOutSeed(int i) => FaceIdentity.FirstHeldOut + i;

    /// A pure function of (index, seed): any number of threads may ask for any index in any order.
    public WorldSample Sample(long index, long seed)
    {
        if (index < 0) throw new IlgdException($"WorldDataset: index {index} is negative");
        long identitySeed = index % Identities;
        WorldRandom rng = WorldRandom.Stream(seed * 0x5851F42D4C957F2DL + index, 5);
        FaceIdentity identity = FaceIdentity.Sample(identitySeed);
        FaceContext context = FaceContext.Sample(rng);
        if (index < Identities) context = context with { Style = Style.None };
        float[] image = FaceRenderer.Render(identity, FaceNuisance.Sample(rng), context, Size);
        return new WorldSample(image, Captions.For(identity, context, rng), identitySeed, context);
    }
}
