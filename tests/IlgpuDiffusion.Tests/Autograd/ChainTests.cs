using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Autograd;

/// Operations one after the other with nothing between that would wait for the device: a temporary given back too early, or a launch that
/// overtakes another, shows here and nowhere else.
public class ChainTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_residual_block_and_attention_in_a_row_have_the_gradients_of_finite_differences(string device) =>
        GradCheck.Verify(Arena(device), Block, Inputs(), tolerance: 2e-2);

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void The_same_chain_gives_the_same_bits_again_over_a_used_arena(string device)
    {
        Arena arena = Arena(device);
        float[] Run()
        {
            Tape tape = new(arena);
            Tensor[] inputs = [.. Inputs().Select(i => tape.From(i.Values, i.Shape))];
            foreach (Tensor input in inputs)
                input.RequiresGrad = true;
            Tensor y = Block(tape, inputs);
            tape.Backward(y, y);
            float[] all = [.. y.ToArray(), .. inputs.SelectMany(i => i.Grad!.ToArray())];
            arena.Reset();
            return all;
        }

        float[] first = Run();
        Tape other = new(arena, recording: false);
        other.From(Enumerable.Repeat(float.NaN, 100_000).ToArray(), [100_000]);
        arena.Reset();
        Assert.Equal(first, Run());
    }

    static IReadOnlyList<(float[] Values, int[] Shape)> Inputs() =>
    [
        (GradCheck.Values(2 * 3 * 3 * 4, 1), [2, 3, 3, 4]),
        (GradCheck.Values(4 * 9 * 4, 2), [4, 3, 3, 4]),
        (GradCheck.Values(4, 3), [4]),
        (GradCheck.Values(4, 4), [4]),
        (GradCheck.Values(12 * 4, 5), [12, 4]),
        (GradCheck.Values(2 * 4, 6), [2, 4]),
        (GradCheck.Values(12 * 2, 7), [12, 2]),
    ];

    // Normalised, convolved, added; then queries, keys and values from one adapted layer, attention, and a gate of its own.
    static Tensor Block(Tape tape, IReadOnlyList<Tensor> i)
    {
        Tensor x = i[0];
        Tensor h = Ops.GroupNorm.Forward(tape, x, i[2], i[3], 2, 1e-2f, silu: true);
        x = Ops.Add.Forward(tape, x, Ops.Conv2d.Forward(tape, h, i[1], i[3], padding: 1));
        Tensor tokens = Ops.Reshape.Forward(tape, x, [2, 9, 4]);
        Tensor qkv = Ops.LoraLinear.Forward(tape, tokens, i[4], null, i[5], i[6], 0.5f);
        Tensor q = Ops.Slice.Forward(tape, qkv, -1, 0, 4), k = Ops.Slice.Forward(tape, qkv, -1, 4, 4), v = Ops.Slice.Forward(tape, qkv, -1, 8, 4);
        Tensor attended = Ops.LayerNorm.Forward(tape, Ops.Attention.Forward(tape, q, k, v, 2), i[2], i[3], 1e-2f);
        return Ops.Add.Forward(tape, tokens, Ops.Multiply.Forward(tape, attended, Ops.Sigmoid.Forward(tape, tokens)));
    }
}
