using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// The denoiser of latent diffusion (Rombach et al. 2022), diffusers' UNet2DConditionModel: ε or v from a noisy latent, a timestep and a text.
public sealed class UNet : IDisposable
{
    readonly Conv2d convIn;
    readonly Linear linear1;
    readonly Linear linear2;
    readonly WeightScope timeEmbedding;
    readonly DownBlock[] downBlocks;
    readonly UpBlock[] upBlocks;
    readonly MidBlock midBlock;
    readonly GroupNorm convNormOut;
    readonly Conv2d convOut;

    /// Declares the parameters; call Weights.Allocate before use.
    public UNet(UNetConfig config)
    {
        Config = config;
        WeightScope w = Weights.Root;
        int[] channels = config.BlockOutChannels;
        convIn = new Conv2d(w.Scope("conv_in"), config.InChannels, channels[0], config.ConvInKernel);
        timeEmbedding = w.Scope("time_embedding");
        linear1 = new Linear(timeEmbedding.Scope("linear_1"), channels[0], config.TimeChannels);
        linear2 = new Linear(timeEmbedding.Scope("linear_2"), config.TimeChannels, config.TimeChannels);
        downBlocks = [.. Enumerable.Range(0, config.Levels).Select(level => new DownBlock(w.Scope("down_blocks").Scope(level), config, level))];
        upBlocks = [.. Enumerable.Range(0, config.Levels).Select(i => new UpBlock(w.Scope("up_blocks").Scope(i), config, config.Levels - 1 - i))];
        midBlock = new MidBlock(w.Scope("mid_block"), config);
        convNormOut = new GroupNorm(w.Scope("conv_norm_out"), channels[0], config.NormNumGroups, config.NormEps);
        convOut = new Conv2d(w.Scope("conv_out"), channels[0], config.OutChannels, config.ConvOutKernel);
    }

    public UNetConfig Config { get; }

    public Weights Weights { get; } = new();

    /// sample: (B, H, W, in)   timesteps: B, or one for all   context: (B, T, cross_attention_dim)   returns (B, H, W, out)
    public Tensor Forward(Tape tape, Tensor sample, ReadOnlySpan<float> timesteps, Tensor context)
    {
        Check(sample, timesteps, context);
        int batch = sample.Shape[0];
        float[] perSample = timesteps.Length == batch ? timesteps.ToArray() : [.. Enumerable.Repeat(timesteps[0], batch)];
        Tensor t = Ops.TimestepEmbedding.Forward(tape, perSample, Config.BlockOutChannels[0], Config.FlipSinToCos, Config.FreqShift);
        t = timeEmbedding.Traced(linear2.Forward(tape, Ops.Silu.Forward(tape, linear1.Forward(tape, t))));
        // Every resnet begins with this SiLU of the same tensor.
        Conditioning on = new(Ops.Silu.Forward(tape, t), context);

        Tensor x = convIn.Forward(tape, Config.CenterInputSample ? Centred(tape, sample) : sample);
        Stack<Tensor> skips = new([x]);
        foreach (DownBlock block in downBlocks)
            x = block.Forward(tape, x, on, skips);
        x = midBlock.Forward(tape, x, on);
        foreach (UpBlock block in upBlocks)
            x = block.Forward(tape, x, on, skips);
        return convOut.Forward(tape, convNormOut.Forward(tape, x, silu: true));
    }

    // 2x − 1
    static Tensor Centred(Tape tape, Tensor x)
    {
        Shape perSample = [x.Shape[0], x.Shape[3]];
        float[] minusOne = new float[perSample.Count];
        Array.Fill(minusOne, -1);
        return Ops.AddChannels.Forward(tape, Ops.Scale.Forward(tape, x, 2), tape.From(minusOne, perSample));
    }

    void Check(Tensor sample, ReadOnlySpan<float> timesteps, Tensor context)
    {
        Shape s = sample.Shape, c = context.Shape;
        int multiple = 1 << (Config.Levels - 1);
        if (s.Rank != 4 || s[3] != Config.InChannels)
            throw new IlgdException($"UNet: sample {s} should be (B, H, W, {Config.InChannels})");
        if (s[1] % multiple != 0 || s[2] % multiple != 0)
            throw new IlgdException($"UNet: a latent of {s[1]} x {s[2]} cannot be halved {Config.Levels - 1} times; use multiples of {multiple}");
        if (timesteps.Length != s[0] && timesteps.Length != 1)
            throw new IlgdException($"UNet: {timesteps.Length} timesteps for {s[0]} samples");
        if (c.Rank != 3 || c[0] != s[0] || c[2] != Config.CrossAttentionDim)
            throw new IlgdException($"UNet: context {c} should be ({s[0]}, T, {Config.CrossAttentionDim}); is the text encoder that of this model?");
    }

    public void Dispose() => Weights.Dispose();
}
