using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Common;

/// Steps whose launches are noted and replayed give what launching them one by one gives, whatever changes from step to step.
public sealed class LaunchGraphTests(Devices devices) : DeviceTest(devices)
{
    public static TheoryData<string> Launching => ["cpu-sim", "opencl"];

    [Theory]
    [MemberData(nameof(Launching))]
    public void A_step_that_comes_again_is_replayed_with_its_own_numbers(string name)
    {
        (KernelContext k, Tensor x, Tensor y) = Open(name);
        using LaunchGraph graph = new(k);
        for (int i = 0; i < 4; i++)
        {
            using LaunchGraph.StepScope step = graph.Step();
            x.CopyFrom([i, i + 1, i + 2, i + 3]);
            k.Clear(y.View);
            Scale.Forward(k, x.View, 2, y.View);
            k.Copy(y.View, x.View);
            Add.Accumulate(k, x.View, y.View);
            Assert.Equal([4f * i, 4 * (i + 1), 4 * (i + 2), 4 * (i + 3)], y.ToArray());
            Assert.Equal(i, graph.Replays);
        }
    }

    [Theory]
    [MemberData(nameof(Launching))]
    public void A_launch_with_another_argument_is_not_replayed(string name)
    {
        (KernelContext k, Tensor x, Tensor y) = Open(name);
        using LaunchGraph graph = new(k);
        float[] scales = [2, 2, 3, 3, 0, -0f];
        long[] replays = [0, 1, 1, 2, 2, 2];
        for (int i = 0; i < scales.Length; i++)
        {
            using LaunchGraph.StepScope step = graph.Step();
            x.CopyFrom([1, 2, 3, i]);
            Scale.Forward(k, x.View, scales[i], y.View);
            Add.Accumulate(k, x.View, y.View);
            Assert.Equal([1 + scales[i], 2 * (1 + scales[i]), 3 * (1 + scales[i]), i * (1 + scales[i])], y.ToArray());
            Assert.Equal(replays[i], graph.Replays);
        }
    }

    [Theory]
    [MemberData(nameof(Launching))]
    public void A_step_may_launch_more_or_less_than_the_last(string name)
    {
        (KernelContext k, Tensor x, Tensor y) = Open(name);
        using LaunchGraph graph = new(k);
        int[] additions = [3, 3, 1, 1, 4, 0, 2];
        foreach (int count in additions)
        {
            using LaunchGraph.StepScope step = graph.Step();
            x.CopyFrom([1, 2, 3, 4]);
            y.CopyFrom([0, 0, 0, 0]);
            for (int i = 0; i < count; i++)
                Add.Accumulate(k, x.View, y.View);
            Assert.Equal([count, 2f * count, 3 * count, 4 * count], y.ToArray());
        }

        Assert.Equal(2, graph.Replays);
    }

    // What the host reads on the way parts a step; a part that changes leaves the others as they are.
    [Theory]
    [MemberData(nameof(Launching))]
    public void Each_part_between_two_waits_is_replayed_by_itself(string name)
    {
        (KernelContext k, Tensor x, Tensor y) = Open(name);
        using LaunchGraph graph = new(k);
        float[] expected = new float[4];
        k.Clear(y.View);
        for (int i = 0; i < 4; i++)
        {
            using LaunchGraph.StepScope step = graph.Step();
            x.CopyFrom([i, 1, 2, 3]);
            Add.Accumulate(k, x.View, y.View);
            float sum = y.ToArray().Sum();
            Scale.Forward(k, y.View, 1 / (1 + sum), x.View);
            float[] scaled = x.ToArray();
            k.Copy(x.View, y.View);
            for (int j = 0; j < 4; j++)
                expected[j] = (expected[j] + (j == 0 ? i : j)) * (1 / (1 + sum));
            Assert.Equal(expected, scaled);
        }

        // The first part and, from the scope's end, the last: the scaling in the middle has another number each time.
        Assert.Equal(3 + 3, graph.Replays);
        Assert.Equal(expected, y.ToArray());
    }

    [Theory]
    [MemberData(nameof(Launching))]
    public void Memory_given_back_in_a_step_is_done_with_first(string name)
    {
        (KernelContext k, Tensor x, Tensor y) = Open(name);
        using LaunchGraph graph = new(k);
        for (int i = 0; i < 3; i++)
        {
            using LaunchGraph.StepScope step = graph.Step();
            using (Arena other = new(Device(name)))
            {
                Tensor t = other.New(x.Shape);
                t.CopyFrom([1, 2, 3, i]);
                Scale.Forward(k, t.View, 3, y.View);
            }

            Assert.Equal([3, 6, 9, 3f * i], y.ToArray());
        }
    }

    (KernelContext, Tensor X, Tensor Y) Open(string name) => (Device(name).Kernels, Arena(name).New([4]), Arena(name).New([4]));
}
