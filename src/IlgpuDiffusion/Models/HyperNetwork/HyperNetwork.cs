using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Models;

/// From a picture's tokens to the weights of L layers (HyperDreamBooth, section 4.2): a transformer decoder with one token a layer, which sees its own prediction and refines it,
///
///     θ₀ = 0,   θ_k = θ_{k−1} + (W_l · decode(position_l + in(θ_{k−1}), image) + mean_l) / s,   k = 1 … s
///
/// with an output matrix W_l of each layer's own. `mean` is what it predicts for everybody.
public sealed class HyperNetwork : IDisposable
{
    const uint OutputStream = 0x4F555450;   // "OUTP"

    readonly Linear[] memoryIn;
    readonly Parameter memoryPositions;
    readonly LayerNorm memoryNorm;
    readonly Linear input;
    readonly Parameter positions;
    readonly HyperDecoderLayer[] layers;
    readonly LayerNorm norm;
    readonly Parameter output;
    readonly Parameter mean;

    /// Declares the parameters; call Allocate before use.
    public HyperNetwork(HyperNetworkConfig config)
    {
        config.Check("hypernetwork");
        Config = config;
        WeightScope w = Weights.Root;
        int d = config.HiddenSize;
        memoryIn = [.. config.Memory.Select((group, i) => new Linear(w.Scope("memory_in").Scope(i), group[1], d))];
        memoryPositions = w.Get("memory_positions", [config.Memory.Sum(g => g[0]), d], Init.Embedding);
        memoryNorm = new LayerNorm(w.Scope("memory_norm"), d);
        input = new Linear(w.Scope("input"), config.Outputs, d);
        positions = w.Get("positions", [config.Layers, d], Init.Embedding);
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new HyperDecoderLayer(w.Scope("layers").Scope(i), config))];
        norm = new LayerNorm(w.Scope("norm"), d);
        output = w.Get("output", [config.Layers, d, config.Outputs], Init.Zeros);
        mean = Mean.Root.Get("mean", [config.Layers, config.Outputs], Init.Zeros);
    }

    public HyperNetworkConfig Config { get; }

    public Weights Weights { get; } = new();

    /// Apart, because it learns faster than the rest.
    public Weights Mean { get; } = new();

    public void Allocate(Device device)
    {
        Weights.Allocate(device, "hypernetwork");
        Mean.Allocate(device, "hypernetwork mean");
    }

    /// Values for training from nothing.
    public void Initialize(ulong seed)
    {
        Weights.Initialize(seed);
        Mean.Initialize(seed);
        float[] values = new float[output.Shape.Count];
        new RngStream(seed, OutputStream, 0).FillNormal(values);
        output.Value.CopyFrom(Array.ConvertAll(values, v => v * Config.OutputDeviation));
    }

    /// image: for each group of the config (B, tokens, features)   `refinements`: another s than the config's, 0 for its own   returns θ, (L, B, outputs)
    public Tensor Forward(Tape tape, IReadOnlyList<Tensor> image, int refinements = 0)
    {
        int batch = image[0].Shape[0], s = refinements > 0 ? refinements : Config.Refinements;
        Tensor memory = Memory(tape, image);
        Tensor theta = tape.Zeros([Config.Layers, batch, Config.Outputs]);
        for (int k = 0; k < s; k++)
        {
            Tensor tokens = input.Forward(tape, Ops.Permute.Forward(tape, theta, 1, 0, 2));
            Tensor decoded = Decode(tape, Ops.AddRows.Forward(tape, tokens, positions), memory);
            Tensor change = Ops.MatMul.Forward(tape, Ops.Permute.Forward(tape, decoded, 1, 0, 2), output);
            change = Ops.AddChannels.Forward(tape, change, mean);
            theta = Ops.Add.Forward(tape, theta, Ops.Scale.Forward(tape, change, 1f / s));
        }

        return theta;
    }

    // (B, M, D)
    Tensor Memory(Tape tape, IReadOnlyList<Tensor> image)
    {
        if (image.Count != memoryIn.Length || image.Where((g, i) => g.Shape[1] != Config.Memory[i][0] || g.Shape[2] != Config.Memory[i][1]).Any())
            throw new IlgdException($"hypernetwork: the image encoder gives {string.Join(", ", image.Select(g => g.Shape))}, which is not what its config says: another encoder?");
        Tensor memory = memoryIn[0].Forward(tape, image[0]);
        for (int i = 1; i < memoryIn.Length; i++)
            memory = Ops.Concat.Forward(tape, memory, memoryIn[i].Forward(tape, image[i]), axis: 1);
        return memoryNorm.Forward(tape, Ops.AddRows.Forward(tape, memory, memoryPositions));
    }

    Tensor Decode(Tape tape, Tensor tokens, Tensor memory)
    {
        Tensor x = Config.Concatenated ? Ops.Concat.Forward(tape, memory, tokens, axis: 1) : tokens;
        foreach (HyperDecoderLayer layer in layers)
            x = layer.Forward(tape, x, memory);
        if (Config.Concatenated)
            x = Ops.Slice.Forward(tape, x, 1, memory.Shape[1], Config.Layers);
        return norm.Forward(tape, x);
    }

    public void Dispose()
    {
        Weights.Dispose();
        Mean.Dispose();
    }
}
