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
    readonly Option<string?> photos;
    readonly Option<int> size;

    public MakeWorldVerb()
        : base(
            "make-world",
            "Render people of the drawn world that face-mini is trained on: a folder each, with neutral.png, smiling.png and every style; or real ones from their photographs.",
            """
            weights-tools make-world --out people --people 10 --held-out
            weights-tools make-world --out london --people 16 --photos ../shared/data --held-out
            weights-tools make-world --out one --people 1 --seed 17 --size 256
            """)
    {
        outFolder = Option<string>("--out", "Folder for the people.", "DIR");
        outFolder.Required = true;
        people = Number("--people", "How many.", 1, 100_000, 8);
        seed = Number("--seed", "Of the first person; the next ones follow.", 0, 1L << 40, 0L);
        heldOut = Option<bool>("--held-out", "People that no training sees.");
        photos = Option<string?>("--photos", "Folder of the photo collections: people of london-faces instead of drawn ones, hat, glasses, scarf, backgrounds and styles put on their photographs.", "DIR");
        size = Number("--size", "Pixels a side.", 32, 1024, 64);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using StagedFolder stage = new(parsed.GetRequiredValue(outFolder));
        int count = parsed.GetRequiredValue(people);
        Action<string, string, float[]> save = Saving(stage, parsed.GetRequiredValue(size));
        if (parsed.GetValue(photos) is { } folder)
            count = Photographed(folder, parsed.GetValue(heldOut), count, parsed.GetRequiredValue(size), save, cancellation);
        else
            Rendered(parsed.GetRequiredValue(seed) + (parsed.GetValue(heldOut) ? FaceIdentity.FirstHeldOut : 0), count, parsed.GetRequiredValue(size), save, cancellation);
        stage.Commit();
        parsed.InvocationConfiguration.Output.WriteLine($"{count} people in {parsed.GetRequiredValue(outFolder)}");
        return 0;
    }

    static void Rendered(long first, int count, int size, Action<string, string, float[]> save, CancellationToken cancellation)
    {
        for (long person = first; person < first + count; person++)
        {
            cancellation.ThrowIfCancellationRequested();
            FaceIdentity identity = FaceIdentity.Sample(person);
            foreach ((string name, FaceContext context) in Pictures)
                save($"{person}", name, FaceRenderer.Render(identity, FaceNuisance.Plain with { SceneSeed = person }, context, size));
        }
    }

    // Returns how many there are. An expression is a photograph's own: without one of it there is no picture of it.
    static int Photographed(string folder, bool heldOut, int count, int size, Action<string, string, float[]> save, CancellationToken cancellation)
    {
        PhotoSet all = PhotoSet.Load(folder, "london-faces");
        IGrouping<string, Photo>[] people = [.. (heldOut ? all.HeldOut : all.Training).GroupBy(p => p.Subject).OrderBy(g => g.Key, StringComparer.Ordinal).Take(count)];
        foreach (IGrouping<string, Photo> person in people)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach ((string name, FaceContext context) in Pictures)
            {
                if (person.FirstOrDefault(p => p.Expression == context.Expression) is { } photo)
                    save(person.Key[(person.Key.IndexOf('/') + 1)..], name, PhotoTruth.Render(photo, context, size));
            }
        }

        return people.Length;
    }

    static Action<string, string, float[]> Saving(StagedFolder stage, int size) => (person, name, rgb) =>
    {
        byte[] bytes = Array.ConvertAll(rgb, v => (byte)MathF.Round(Math.Clamp(v, 0, 1) * 255));
        ImageFile.SavePng(stage.File($"{person}/{name}.png"), new RgbImage(size, size, bytes));
    };
}
