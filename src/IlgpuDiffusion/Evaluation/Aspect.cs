using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Evaluation;

/// One kind of thing that a prompt can ask for, with all the values it can take.
public sealed class Aspect
{
    readonly Func<FaceContext, int, FaceContext> set;
    readonly Func<FaceContext, int> get;

    Aspect(string name, string[] values, Func<FaceContext, int> get, Func<FaceContext, int, FaceContext> set)
    {
        Name = name;
        Values = [.. values.Select(Kebab)];
        this.get = get;
        this.set = set;
    }

    public string Name { get; }

    /// `pencil-sketch`, `red-hat`: as files and prompt lists spell them; the first is that nothing is asked for.
    public IReadOnlyList<string> Values { get; }

    public static Aspect Expression { get; } =
        new("expression", Enum.GetNames<Expression>(), context => (int)context.Expression, (context, value) => context with { Expression = (Expression)value });

    public static Aspect Accessory { get; } =
        new("accessory", Enum.GetNames<Accessory>(), context => (int)context.Accessory, (context, value) => context with { Accessory = (Accessory)value });

    public static Aspect Background { get; } =
        new("background", Enum.GetNames<Background>(), context => (int)context.Background, (context, value) => context with { Background = (Background)value });

    public static Aspect Style { get; } = new("style", Enum.GetNames<Style>(), context => (int)context.Style, (context, value) => context with { Style = (Style)value });

    public static IReadOnlyList<Aspect> All { get; } = [Expression, Accessory, Background, Style];

    /// Which of the values a context has.
    public int Of(FaceContext context) => get(context);

    /// The same context with another value.
    public FaceContext With(FaceContext context, int value) => set(context, value);

    // PencilSketch as pencil-sketch.
    static string Kebab(string name) => string.Concat(name.Select((c, i) => char.IsUpper(c) ? $"{(i > 0 ? "-" : "")}{char.ToLowerInvariant(c)}" : $"{c}"));
}
