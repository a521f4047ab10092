using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools make-world`
sealed class MakeWorldVerb : Verb
{
    static readonly (string Name, FaceContext Context)[] Pictures =
    [
        ("neutral", new()),
        ("smiling", new(Expression: Expression.Smiling)),
        ("surprised", new(Expression: Expression.Surprised)),
        ("sad", new(Expression: Expression.Sad)),
        ("red-hat", new(Accessory: Accessory.RedHat)),
        ("glasses", new(Accessory: Accessory.Glasses)),
        ("blue-scarf", new(Accessory: Accessory.BlueScarf)),
        ("beach", new(Background: Background.Beach)),
        ("forest", new(Background: Background.Forest)),
        ("city", new(Background: Background.City)),
        ("snow", new(Background: Background.Snow)),
        ("pencil-sketch", new(Style: Style.PencilSketch)),
        ("pixel-art", new(Style: Style.PixelArt)),
        ("pop-art", new(Style: Style.PopArt)),
        ("watercolor", new(Style: Style.Watercolor)),
        ("neon", new(Style: Style.Neon)),
        ("black-and-white", new(Style: Style.BlackAndWhite)),
        ("stone", new(Style: Style.Stone)),
        ("impressionist", new(Style: Style.Impressionist)),
    ];

    readonly Option<string> outFolder;
    readonly Option<int> people;
    readonly Option<long> seed;
    readonly Option<bool> heldOut;
    readonly Option<int> size;

    public MakeWorldVerb()
        : base(
            "make-world",
            "Render people of the drawn world that face-mini is trained on: a folder each, with neutral.png, smiling.png and every style.",
            """
            weights-tools make-world --out people --people 10 --held-out
            weights-tools make-world --out one --people 1 --seed 17 --size 256
            """)
    {
        outFolder = Option<string>("--out", "Folder for the people.", "DIR");
        outFolder.Required = true;
        people = Number("--people", "How many.", 1, 100_000, 8);
        seed = Number("--seed", "Of the first person; the next ones follow.", 0, 1L << 40, 0L);
        heldOut = Option<bool>("--held-out", "People that no training sees.");
        size = Number("--size", "Pixels a side.", 32, 1024, 64);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using StagedFolder stage = new(parsed.GetRequiredValue(outFolder));
        int side = parsed.GetRequiredValue(size), count = parsed.GetRequiredValue(people);
        long first = parsed.GetRequiredValue(seed) + (parsed.GetValue(heldOut) ? FaceIdentity.FirstHeldOut : 0);
        for (long person = first; person < first + count; person++)
        {
            cancellation.ThrowIfCancellationRequested();
            FaceIdentity identity = FaceIdentity.Sample(person);
            foreach ((string name, FaceContext context) in Pictures)
            {
                float[] rgb = FaceRenderer.Render(identity, FaceNuisance.Plain with { SceneSeed = person }, context, side);
                byte[] bytes = Array.ConvertAll(rgb, v => (byte)MathF.Round(Math.Clamp(v, 0, 1) * 255));
                ImageFile.SavePng(stage.File($"{person}/{name}.png"), new RgbImage(side, side, bytes));
            }
        }

        stage.Commit();
        parsed.InvocationConfiguration.Output.WriteLine($"{count} people, {Pictures.Length} pictures each, in {parsed.GetRequiredValue(outFolder)}");
        return 0;
    }
}
