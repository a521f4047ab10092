using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// FaceNet's Inception-ResNet-V1 (Schroff et al. 2015; Szegedy et al. 2017) with facenet-pytorch's keys: a face of 160 × 160 to a unit vector of 512 numbers;
/// the same person is near.
public sealed class InceptionResnetV1 : IDisposable
{
    const float BatchNormEps = 1e-3f;

    readonly WeightScope root;
    readonly ConvBlock conv1a, conv2a, conv2b, conv3b, conv4a, conv4b;
    readonly InceptionBlock[] repeat1, repeat2, repeat3;
    readonly ConvBlock six0;
    readonly ConvChain six1, seven0, seven1, seven2;
    readonly InceptionBlock block8;
    readonly Linear lastLinear;
    readonly BatchNorm lastNorm;

    /// Declares the parameters; call Weights.Allocate before use.
    public InceptionResnetV1()
    {
        root = Weights.Root;
        conv1a = new ConvBlock(root.Scope("conv2d_1a"), 3, 32, (3, 3), stride: 2);
        conv2a = new ConvBlock(root.Scope("conv2d_2a"), 32, 32, (3, 3));
        conv2b = new ConvBlock(root.Scope("conv2d_2b"), 32, 64, (3, 3), padded: true);
        conv3b = new ConvBlock(root.Scope("conv2d_3b"), 64, 80, (1, 1));
        conv4a = new ConvBlock(root.Scope("conv2d_4a"), 80, 192, (3, 3));
        conv4b = new ConvBlock(root.Scope("conv2d_4b"), 192, 256, (3, 3), stride: 2);
        repeat1 = Repeated("repeat_1", 5, InceptionBlock.Block35);
        six0 = new ConvBlock(root.Scope("mixed_6a.branch0"), 256, 384, (3, 3), stride: 2);
        six1 = new ConvChain(root.Scope("mixed_6a.branch1"), 256, (192, 1, 1, 1, false), (192, 3, 3, 1, true), (256, 3, 3, 2, false));
        repeat2 = Repeated("repeat_2", 10, InceptionBlock.Block17);
        seven0 = new ConvChain(root.Scope("mixed_7a.branch0"), 896, (256, 1, 1, 1, false), (384, 3, 3, 2, false));
        seven1 = new ConvChain(root.Scope("mixed_7a.branch1"), 896, (256, 1, 1, 1, false), (256, 3, 3, 2, false));
        seven2 = new ConvChain(root.Scope("mixed_7a.branch2"), 896, (256, 1, 1, 1, false), (256, 3, 3, 1, true), (256, 3, 3, 2, false));
        repeat3 = Repeated("repeat_3", 5, w => InceptionBlock.Block8(w, 0.2f, relu: true));
        block8 = InceptionBlock.Block8(root.Scope("block8"), 1, relu: false);
        lastLinear = new Linear(root.Scope("last_linear"), 1792, 512, bias: false);
        lastNorm = new BatchNorm(root.Scope("last_bn"), 512, BatchNormEps);
    }

    /// Pixels a side.
    public const int ImageSize = 160;

    public Weights Weights { get; } = new();

    /// faces: (B, 160, 160, 3), (byte − 127.5) / 128   returns (B, 512), of length 1
    public Tensor Embed(Tape tape, Tensor faces)
    {
        if (faces.Shape.Rank != 4 || faces.Shape[1] != ImageSize || faces.Shape[2] != ImageSize || faces.Shape[3] != 3)
            throw new IlgdException($"Inception-ResNet: faces {faces.Shape} should be (B, {ImageSize}, {ImageSize}, 3)");
        Tensor x = conv2b.Forward(tape, conv2a.Forward(tape, conv1a.Forward(tape, faces)));
        x = Traced("maxpool_3a", Ops.MaxPool.Forward(tape, x, 3, 2));
        x = conv4b.Forward(tape, conv4a.Forward(tape, conv3b.Forward(tape, x)));
        x = Through(tape, "repeat_1", repeat1, x);
        Tensor pooled = Ops.MaxPool.Forward(tape, x, 3, 2);
        x = Traced("mixed_6a", Joined(tape, six0.Forward(tape, x), six1.Forward(tape, x), pooled));
        x = Through(tape, "repeat_2", repeat2, x);
        pooled = Ops.MaxPool.Forward(tape, x, 3, 2);
        x = Traced("mixed_7a", Joined(tape, seven0.Forward(tape, x), seven1.Forward(tape, x), seven2.Forward(tape, x), pooled));
        x = Through(tape, "repeat_3", repeat3, x);
        x = Traced("block8", block8.Forward(tape, x));
        x = Traced("avgpool_1a", Ops.GlobalAveragePool.Forward(tape, x));
        x = Traced("last_linear", lastLinear.Forward(tape, x));
        x = Traced("last_bn", lastNorm.Forward(tape, x));
        return Ops.L2Normalize.Forward(tape, x);
    }

    public void Dispose() => Weights.Dispose();

    InceptionBlock[] Repeated(string name, int count, Func<WeightScope, InceptionBlock> block) =>
        [.. Enumerable.Range(0, count).Select(i => block(root.Scope(name).Scope(i)))];

    Tensor Through(Tape tape, string name, InceptionBlock[] blocks, Tensor x)
    {
        foreach (InceptionBlock block in blocks)
            x = block.Forward(tape, x);
        return Traced(name, x);
    }

    static Tensor Joined(Tape tape, params ReadOnlySpan<Tensor> parts)
    {
        Tensor joined = parts[0];
        foreach (Tensor part in parts[1..])
            joined = Ops.Concat.Forward(tape, joined, part);
        return joined;
    }

    Tensor Traced(string name, Tensor y) => root.Scope(name).Traced(y);
}
