using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// Textual inversion in training (Gal et al. 2023): rows of the text encoder's token table are learned, everything else stays as it is, bit for bit.
public sealed class TokenRows : IAdaptation, IDisposable
{
    readonly Embedding tokens;
    readonly Parameter rows;

    /// `ids`: the tokens whose rows are learned, in the model's table or beyond it   `start`: (n, D) that they begin as
    public TokenRows(DiffusionModel model, IReadOnlyList<int> ids, ReadOnlySpan<float> start)
    {
        tokens = model.TextEncoder.Tokens;
        Ids = ids;
        rows = Weights.Root.Get("rows", [ids.Count, model.TextEncoder.Config.HiddenSize]);
        Weights.Allocate(model.Device, "token rows");
        rows.Value.CopyFrom(start);
    }

    public IReadOnlyList<int> Ids { get; }

    /// What is learned.
    public Weights Weights { get; } = new();

    /// As they are now: (n, D).
    public float[] Rows => rows.Value.ToArray();

    public void Attach() => tokens.Learned = (Ids, rows);

    public void Detach() => tokens.Learned = null;

    public void Dispose()
    {
        Detach();
        Weights.Dispose();
    }
}
