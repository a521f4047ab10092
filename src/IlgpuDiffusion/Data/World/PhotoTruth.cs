using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// What a photographed person looks like in a context, as far as it can be made from the photograph: accessory and background by <see cref="PhotoCompositor"/>, style by
/// <see cref="StyleFilter"/>. The photograph is not moved, and lit as it is.
public static class PhotoTruth
{
    static readonly Vector2 Light = new(-.4f, -.6f);

    /// RGB picture size x size, HWC, 0..1. Errors: a background for a photograph without a matte.
    public static float[] Render(Photo photo, FaceContext context, int size)
    {
        Matrix3x2 toMaster = PhotoAlignment.Centred(PhotoSet.MasterSize, PhotoSet.MasterSize);
        float[] rgb = PhotoAlignment.Resample(photo.Rgb, PhotoSet.MasterSize, PhotoSet.MasterSize, 3, toMaster, size);
        Matte? matte = photo.Matte?.Resample(PhotoSet.MasterSize, PhotoSet.MasterSize, toMaster, size);
        rgb = PhotoCompositor.Compose(rgb, matte, size, context, Pose.Identity, sceneSeed: 0, backdrop: null, Light);
        return StyleFilter.Apply(context.Style, rgb, size, size);
    }
}
