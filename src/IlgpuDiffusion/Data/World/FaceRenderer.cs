namespace IlgpuDiffusion.Data.World;

/// Draws a person. A pure function of its arguments, safe to call from many threads.
public static class FaceRenderer
{
    /// RGB picture size x size, HWC, values 0..1, back to front: scene, back hair, body, scarf, face, hair, glasses, hat, gain, noise, style.
    public static float[] Render(FaceIdentity identity, FaceNuisance nuisance, FaceContext context, int size = 64)
    {
        if (size < 8) throw new IlgdException($"FaceRenderer: size {size} is too small to draw a face; use 8 or more (64 is the trained size)");
        Canvas canvas = new(size);
        Head head = new(identity, nuisance);
        AccessoryFit fit = AccessoryFit.Of(head);
        bool hat = context.Accessory == Accessory.RedHat;

        BackgroundPainter.Paint(canvas, context.Background, nuisance.SceneSeed, nuisance.Backdrop);
        HairPainter.Back(canvas, head, hat);
        HeadPainter.Body(canvas, head);
        if (context.Accessory == Accessory.BlueScarf)
        {
            canvas.Pose = head.Body;
            AccessoryPainter.Scarf(canvas, fit);
        }
        HeadPainter.Face(canvas, head);
        HeadPainter.Beard(canvas, head);
        HeadPainter.Marks(canvas, head);
        FeaturePainter.Paint(canvas, head, context.Expression);
        HairPainter.Front(canvas, head, hat);
        if (context.Accessory == Accessory.Glasses)
        {
            canvas.Pose = head.Features;
            AccessoryPainter.Glasses(canvas, fit);
        }
        if (hat)
        {
            canvas.Pose = head.Skull;
            AccessoryPainter.Hat(canvas, fit, nuisance.Light);
        }
        Expose(canvas.Rgb, nuisance);
        return StyleFilter.Apply(context.Style, canvas.Rgb, size, size);
    }

    static void Expose(float[] rgb, FaceNuisance nuisance)
    {
        WorldRandom rng = WorldRandom.Stream(nuisance.SceneSeed, 4);
        for (int i = 0; i < rgb.Length; i++)
        {
            float noise = nuisance.Noise > 0 ? nuisance.Noise * rng.Normal() : 0;
            rgb[i] = Math.Clamp(rgb[i] * nuisance.Gain + noise, 0, 1);
        }
    }
}
