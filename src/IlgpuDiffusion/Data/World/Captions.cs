namespace IlgpuDiffusion.Data.World;

/// Words for pictures: [style of] subject [expression] [detail] [accessory] [background]. Every part is dropped now and then,
/// so that a prompt that names only one thing is as usual as one that names all.
public static class Captions
{
    /// Length of a prompt in tokens with begin and end marks; captions are at most MaxWords words.
    public const int MaxTokens = 24;
    public const int MaxWords = MaxTokens - 2;

    /// The identifier that stands for [V]: one token of its own that no training caption ever has.
    public const string Identifier = "sks";

    const float Drop = .15f;

    static readonly string[] Prefixes = ["", "", "", "a picture of", "an image of", "a portrait of"];

    // by Style: names as a user would write them, then the openings
    static readonly string[][] StyleNames =
    [
        [], ["pencil sketch", "pencil drawing"], ["pixel art"], ["pop art"], ["watercolor painting", "watercolor"], ["neon"], ["black and white"],
        ["stone"], ["impressionist painting", "impressionist"],
    ];

    static readonly string[][] StyleOpenings =
    [
        [],
        ["a pencil sketch of", "a pencil sketch of", "pencil sketch of", "a pencil drawing of"],
        ["pixel art of", "pixel art of", "a pixel art portrait of", "a pixel art picture of"],
        ["pop art of", "pop art of", "a pop art portrait of", "a pop art painting of"],
        ["a watercolor painting of", "watercolor painting of", "a watercolor of", "a watercolour painting of"],
        ["neon art of", "a neon portrait of", "a neon picture of", "a neon light picture of"],
        ["a black and white photo of", "a black and white picture of", "black and white portrait of"],
        ["a stone carving of", "a stone statue of", "a stone portrait of", "a stone sculpture of"],
        ["an impressionist painting of", "impressionist painting of", "an impressionist portrait of"],
    ];

    static readonly string[][] Backgrounds =
    [
        [],
        ["on a beach", "on a beach", "on the beach", "at the beach"],
        ["in a forest", "in a forest", "in the forest"],
        ["in a city at night", "in a city at night", "in the city at night", "in a city"],
        ["in snow", "in snow", "in the snow"],
    ];

    static readonly string[] Accessories = ["", "a red hat", "glasses", "a blue scarf"];

    static readonly string[] Expressions = ["", "smiling", "surprised", "sad"];

    /// Every word that a caption can have. A word is what CLIP's splitter makes one of: "'s" and "," are words.
    public static IReadOnlyList<string> Words { get; } =
    [
        "a", "an", "the", "of", "in", "on", "at", "with", "and", "'s", ",",
        "face", "man", "woman", "person", "old",
        "photo", "photograph", "picture", "image", "portrait", "drawing", "style",
        "smiling", "surprised", "sad", "looking", "wearing", "red", "hat", "glasses", "blue", "scarf",
        "beach", "forest", "snow", "city", "night",
        "pencil", "sketch", "pixel", "art", "pop", "watercolor", "watercolour", "painting", "neon", "light", "black", "white",
        "stone", "carving", "statue", "sculpture", "impressionist",
        "hair", "no", "long", "short", "curly", "blond", "brown", "grey", "beard", "moustache", "freckles",
    ];

    /// A caption for a rendered picture.
    public static string For(FaceIdentity identity, FaceContext context, WorldRandom rng)
    {
        string subject = Subject(identity.Man, identity.Old, rng);
        string detail = rng.Chance(.45f) ? Detail(identity, rng) : "";
        string prefix = rng.Chance(.12f) ? "a drawing of" : rng.Pick(Prefixes);
        return Compose(prefix, subject, detail, context, rng);
    }

    /// A caption for a photograph. man and expression are null where nobody has written them down; such a caption does not
    /// mention them. Two thirds say "a photo of"; the rest are worded as for drawn faces, so that "a face on a beach" is
    /// no sign of a drawing. What is known of the expression is always said: a user's photograph is what has to learn to smile.
    public static string ForPhoto(bool? man, Expression? expression, FaceContext shown, WorldRandom rng)
    {
        string subject = man is { } known && rng.Chance(.8f) ? Subject(known, false, rng) : "a face";
        string prefix = rng.Chance(.65f) ? rng.Chance(.1f) ? "a photograph of" : "a photo of" : rng.Pick(Prefixes);
        return Compose(prefix, subject, "", shown with { Expression = expression ?? Expression.Neutral }, rng, moodDrop: 0);
    }

    /// A prompt for a picture of one particular person, whom `subject` names ("a [V] face"): it says everything of the context, so that nothing of it is
    /// left for the person's own weights to explain.
    public static string ForPerson(string subject, FaceContext context, WorldRandom rng) => Compose("", subject, "", context, rng, drop: 0, moodDrop: 0);

    /// The caption that says all of a context and nothing else, always in the same words: what a judge of pictures chooses among.
    public static string Of(FaceContext context)
    {
        string accessory = context.Accessory == Accessory.None ? "" : $"wearing {Accessories[(int)context.Accessory]}";
        string background = context.Background == Background.Plain ? "" : Backgrounds[(int)context.Background][0];
        string style = context.Style == Style.None ? "" : StyleOpenings[(int)context.Style][0];
        return string.Join(' ', new[] { style, "a face", Expressions[(int)context.Expression], accessory, background }.Where(part => part.Length > 0));
    }

    static string Compose(string prefix, string subject, string detail, FaceContext context, WorldRandom rng, float drop = Drop, float moodDrop = Drop)
    {
        bool Keep(float dropped) => !rng.Chance(dropped);
        string before = prefix, after = "";
        if (context.Style != Style.None)
        {
            string[] names = StyleNames[(int)context.Style];
            float form = rng.Uniform();
            before = form < .8f ? rng.Pick(StyleOpenings[(int)context.Style]) : "";
            if (form >= .9f) after = ", " + rng.Pick(names);
            else if (form >= .8f) after = $"in {names[^1]} style";
        }

        string mood = Keep(moodDrop) ? Expressions[(int)context.Expression] : "";
        string worn = Keep(drop) ? Accessories[(int)context.Accessory] : "";
        string place = context.Background != Background.Plain && Keep(drop) ? rng.Pick(Backgrounds[(int)context.Background]) : "";
        if (worn.Length > 0) worn = (rng.Chance(.75f) ? "wearing " : "with ") + worn;
        bool leading = rng.Chance(.35f);
        bool looking = mood.Length > 0 && context.Expression != Expression.Smiling && rng.Chance(.4f);

        string Sentence(string who, string extra) => string.Join(' ', new[]
        {
            before,
            leading && mood.Length > 0 ? Adjective(mood, who) : who,
            leading ? "" : looking ? $"looking {mood}" : mood,
            extra, worn, place, after,
        }.Where(part => part.Length > 0)).Replace(" ,", ",", StringComparison.Ordinal);

        // the longest of all are shortened where least is lost
        string caption = Sentence(subject, detail);
        if (CountWords(caption) > MaxWords) caption = Sentence(subject, "");
        return CountWords(caption) > MaxWords ? Sentence("a face", "") : caption;
    }

    /// "an old man's face" and "sad" make "a sad old man's face".
    static string Adjective(string mood, string subject) => $"a {mood} {subject[(subject.IndexOf(' ') + 1)..]}";

    static string Subject(bool man, bool old, WorldRandom rng)
    {
        string who = (old && !rng.Chance(Drop) ? "an old " : "a ") + (man ? "man" : "woman");
        return rng.Weighted(.55f, .22f, .17f, .06f) switch { 0 => "a face", 1 => $"{who}'s face", 2 => who, _ => "a person" };
    }

    static string Detail(FaceIdentity id, WorldRandom rng)
    {
        if (id.Freckles && rng.Chance(.4f)) return "with freckles";
        if (id.Beard is Beard.Full or Beard.Goatee && rng.Chance(.5f)) return "with a beard";
        if (id.Beard is Beard.Moustache && rng.Chance(.5f)) return "with a moustache";
        if (id.HairStyle == HairStyle.Bald) return "with no hair";
        string colour = id.HairColour switch
        {
            HairColour.Black => "black ",
            HairColour.Brown => "brown ",
            HairColour.Blond => "blond ",
            HairColour.Red => "red ",
            _ => "grey ",
        };
        string length = id.HairStyle switch
        {
            HairStyle.Curly => "curly ",
            HairStyle.Long or HairStyle.Wavy => "long ",
            HairStyle.Bun => "",
            _ => "short ",
        };
        return rng.Weighted(.5f, .3f, .2f) switch { 0 => $"with {length}{colour}hair", 1 => $"with {colour}hair", _ => $"with {(length.Length > 0 ? length : colour)}hair" };
    }

    internal static int CountWords(string caption) => WordVocabulary.Split(caption).Count();
}
