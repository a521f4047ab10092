using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// How a parameter lies in memory against how files publish it.
public enum Layout
{
    /// As published.
    Same,

    /// Published (O, I, kh, kw), held (O, kh, kw, I): a convolution's K then runs contiguously over channels-last activations.
    ConvWeight,
}

/// How a parameter starts when nothing is loaded, in torch's terms.
public enum Init
{
    /// Uniform in ±1/√fan_in: kaiming_uniform with a = √5, torch's default for Linear and Conv2d, weights and biases.
    FanIn,

    Zeros,

    Ones,

    /// Normal with standard deviation 0.02: embeddings.
    Embedding,
}

/// A named weight of a model. Declared by a module's constructor; has memory once <see cref="Weights.Allocate"/> has run.
public sealed class Parameter
{
    Tensor? value;

    internal Parameter(string name, Shape published, Layout layout, Init init, int fanIn)
    {
        Name = name;
        Published = published;
        Layout = layout;
        Init = init;
        FanIn = fanIn;
        Shape = layout == Layout.ConvWeight ? [published[0], published[2], published[3], published[1]] : published;
    }

    /// The published diffusers / transformers key.
    public string Name { get; }

    public Shape Shape { get; }

    public Shape Published { get; }

    public Layout Layout { get; }

    public Init Init { get; }

    public int FanIn { get; }

    /// Where it starts in <see cref="Weights.Values"/>, and in every array laid out like it.
    public int Offset { get; internal set; }

    public Tensor Value
    {
        get => value ?? throw new InvalidOperationException($"{Name} has no memory yet: call Weights.Allocate first");
        internal set => this.value = value;
    }

    public static implicit operator Tensor(Parameter p) => p.Value;

    /// Elements in published order from elements in memory order.
    public float[] ToPublished(ReadOnlySpan<float> held) => Reordered(held, toPublished: true);

    /// Elements in memory order from elements in published order.
    public float[] ToHeld(ReadOnlySpan<float> published) => Reordered(published, toPublished: false);

    /// The same without memory of its own: `spare` takes them where the order changes, and is returned then; what was given itself where it does not.
    internal ReadOnlySpan<float> ToPublished(ReadOnlySpan<float> held, Span<float> spare) => Reordered(held, spare, toPublished: true);

    internal ReadOnlySpan<float> ToHeld(ReadOnlySpan<float> published, Span<float> spare) => Reordered(published, spare, toPublished: false);

    float[] Reordered(ReadOnlySpan<float> source, bool toPublished)
    {
        float[] result = new float[source.Length];
        if (Layout == Layout.Same)
            source.CopyTo(result);
        else
            Reordered(source, result, toPublished);
        return result;
    }

    ReadOnlySpan<float> Reordered(ReadOnlySpan<float> source, Span<float> spare, bool toPublished)
    {
        if (Layout == Layout.Same)
            return source;
        int o = Published[0], i = Published[1], pixels = Published[2] * Published[3];
        Span<float> result = spare[..source.Length];
        for (int a = 0; a < o; a++)
        {
            for (int c = 0; c < i; c++)
            {
                for (int p = 0; p < pixels; p++)
                {
                    int publishedAt = (((a * i) + c) * pixels) + p, heldAt = (((a * pixels) + p) * i) + c;
                    if (toPublished)
                        result[publishedAt] = source[heldAt];
                    else
                        result[heldAt] = source[publishedAt];
                }
            }
        }

        return result;
    }
}
