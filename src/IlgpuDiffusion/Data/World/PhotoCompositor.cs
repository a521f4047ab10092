using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Puts the drawn world's hat, glasses, scarf and backgrounds on photographs, so that real people too are seen in every
/// context that a prompt can name.
public static class PhotoCompositor
{
    /// Where things sit on an average aligned face.
    static readonly AccessoryFit Fit = new(EyeX: .25f, EyeY: -.05f, HalfWidth: .57f, BrimY: -.40f, CrownY: -1.04f, ChinY: .70f, NeckHalfWidth: .41f);

    /// rgb: an aligned photograph, size x size, HWC, 0..1 (not changed); pose: how it was moved from the standard place.
    /// matte: its cut-out, or null where the background cannot be replaced; then context.Background has to be Plain.
    /// backdrop: the colour of a plain background; null leaves the photograph's own. Expression and Style of the context
    /// are not looked at.
    public static float[] Compose(float[] rgb, Matte? matte, int size, FaceContext context, Pose pose, long sceneSeed, Vector3? backdrop, Vector2 light)
    {
        bool hat = context.Accessory == Accessory.RedHat;
        float[] result = (float[])rgb.Clone();
        if (matte is null && context.Background != Background.Plain)
            throw new IlgdException($"PhotoCompositor: no matte, so the background cannot become {context.Background}; give a matte or Background.Plain");
        // under a hat the hair above the brim is taken away, which shows the background behind it
        if (matte is not null && (context.Background != Background.Plain || backdrop is not null || hat))
            Replace(result, matte, BackgroundPainter.Render(context.Background, sceneSeed, backdrop ?? matte.Backdrop, size), size, hat ? pose : null);

        Canvas canvas = new(result, size) { Pose = pose };
        if (context.Accessory == Accessory.BlueScarf) Scarf(canvas, size, pose);
        if (context.Accessory == Accessory.Glasses) AccessoryPainter.Glasses(canvas, Fit);
        if (hat) AccessoryPainter.Hat(canvas, Fit, light);
        return result;
    }

    /// result = foreground + (1 - alpha) · scene; tucked: the pose of a hat whose brim ends the hair.
    static void Replace(float[] result, Matte matte, float[] scene, int size, Pose? tucked)
    {
        for (int i = 0; i < size * size; i++)
        {
            float keep = 1;
            if (tucked is { } pose)
            {
                Vector2 at = pose.ToLocal((2 * (i % size) + 1f) / size - 1, (2 * (i / size) + 1f) / size - 1);
                keep = Colour.Smoothstep(Fit.BrimY - .05f, Fit.BrimY + .02f, at.Y);
            }
            for (int c = 0; c < 3; c++)
                result[3 * i + c] = Math.Clamp(keep * matte.Foreground[3 * i + c] + (1 - keep * matte.Alpha[i]) * scene[3 * i + c], 0, 1);
        }
    }

    /// The scarf goes behind the chin: it is drawn on a copy and kept outside the lower half of the face.
    static void Scarf(Canvas canvas, int size, Pose pose)
    {
        Canvas wrapped = new((float[])canvas.Rgb.Clone(), size) { Pose = pose };
        AccessoryPainter.Scarf(wrapped, Fit);
        canvas.Blend(new(-1.2f, .3f, 1.2f, 1.4f), (x, y) => Colour.Smoothstep(-.03f, .03f, Sdf.Ellipse(x, y - .05f, .50f, Fit.ChinY - .03f)),
            (x, y) => wrapped.Read(x, y));
    }
}
