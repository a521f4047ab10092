using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Tensors;

public class ArenaTests(Devices devices) : DeviceTest(devices)
{
    const int Block = 1 << 12;

    [Fact]
    public void Blocks_that_a_later_kind_of_step_cannot_use_are_given_back()
    {
        using Arena arena = new(Device("cpu"), Block);
        for (int i = 0; i < 4; i++)
            arena.New([Block / sizeof(float)]);
        Assert.Equal(4 * Block, arena.Bytes);
        arena.Reset();

        Tensor large = arena.New([4 * Block]);
        Assert.Equal(large.Count * sizeof(float), arena.Bytes);
        long allocations = arena.Device.SystemAllocations;
        arena.Reset();
        arena.New([4 * Block]);
        Assert.Equal(allocations, arena.Device.SystemAllocations);
    }

    // The first block holds a small tensor of this step and stays, the second is passed over.
    [Fact]
    public void A_block_with_something_of_this_step_is_kept()
    {
        using Arena arena = new(Device("cpu"), Block);
        arena.New([Block / sizeof(float)]);
        arena.New([Block / sizeof(float)]);
        arena.Reset();
        Tensor small = arena.New([4]);
        small.CopyFrom([1, 2, 3, 4]);
        arena.New([2 * Block]);
        Assert.Equal(Block + (2 * Block * sizeof(float)), arena.Bytes);
        Assert.Equal([1, 2, 3, 4], small.ToArray());
    }

    [Fact]
    public void A_released_arena_holds_nothing_and_its_tensors_are_stale()
    {
        using Arena arena = new(Device("cpu"), Block);
        Tensor x = arena.New([4]);
        long before = arena.Device.LiveBytes;
        arena.Release();
        Assert.Equal(before - Block, arena.Device.LiveBytes);
        Assert.Throws<InvalidOperationException>(x.ToArray);
    }

    [Fact]
    public void A_planning_device_counts_by_owner_and_reads_as_zeros()
    {
        using Device plan = IlgpuDiffusion.Tensors.Device.Plan();
        using Arena arena = new(plan, Block, "mine");
        Tensor x = arena.New([4]);
        x.CopyFrom([1, 2, 3, 4]);
        Assert.Equal(new float[4], x.ToArray());
        Assert.Equal(Block, plan.AtPeak["mine"]);
        Assert.Equal(Block, plan.PeakBytes);
    }
}
