using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// The interpreter on hand-written PTX: what it computes, what it counts and what it refuses.
public class PtxSimulatorTests
{
    // x[thread] is loaded into %f0, its address is %rd1; `body` goes on from there.
    static PtxKernel Kernel(string body) => PtxParser.Parse($$"""
        .version 8.0
        .target sm_80
        .address_size 64
        .visible .entry Kernel_Test(
            .param .align 8 .b8 _x[16],
            .param .b32 _n
        )
        {
            .shared .align 16 .b8 tile[512];
            .reg .pred %p<4>;
            .reg .b32 %r<16>;
            .reg .b64 %rd<8>;
            .reg .f32 %f<8>;
            ld.param.b64 %rd0, [_x];
            ld.param.b32 %r0, [_n];
            mov.b32 %r1, %tid.x;
            mul.wide.u32 %rd2, %r1, 4;
            add.u64 %rd1, %rd0, %rd2;
            ld.global.f32 %f0, [%rd1];
            mov.b64 %rd3, tile;
            add.u64 %rd4, %rd3, %rd2;
        {{body}}
            ret;
        }
        """);

    const string Store = "st.global.f32 [%rd1], %f0;";

    static float[] Run(string body, int threads = 64, int n = 0)
    {
        float[] x = [.. Enumerable.Range(0, threads).Select(i => (float)i)];
        PtxSimulator.Run(Kernel(body), 1, threads, [x, n]);
        return x;
    }

    static string Refused(string body, int threads = 64) => Assert.Throws<PtxException>(() => Run(body, threads)).Message;

    [Fact]
    public void An_unknown_instruction_is_named()
    {
        string message = Assert.Throws<PtxException>(() => Kernel("tcgen05.alloc.b32 %r1, %r2;")).Message;
        Assert.Contains("'tcgen05.alloc.b32' is an instruction that ptx-sim does not know", message, StringComparison.Ordinal);
        Assert.Contains("line 22", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mul.f32 %f0, %f0, %f1;", "mul.rn.f32 with an undeclared register", "%f9")]
    public void An_undeclared_register_is_named(string good, string why, string register)
    {
        Kernel(good);
        string bad = good.Replace("%f1", register, StringComparison.Ordinal);
        Assert.True(Assert.Throws<PtxException>(() => Kernel(bad)).Message.Contains(register, StringComparison.Ordinal), why);
    }

    [Fact]
    public void Threads_part_at_a_branch_and_meet_again()
    {
        PtxKernel kernel = Kernel($$"""
            and.b32 %r2, %r1, 1;
            setp.eq.b32 %p0, %r2, 0;
            @%p0 bra EVEN;
            add.f32 %f0, %f0, 0f42C80000;
            bra JOIN;
            EVEN:
            neg.f32 %f0, %f0;
            JOIN:
            {{Store}}
            """);
        float[] x = [.. Enumerable.Range(0, 64).Select(i => (float)i)];
        PtxCounters counters = PtxSimulator.Run(kernel, 1, 64, [x, 0]);
        Assert.Equal([0, 101, -2, 103], x[..4]);
        Assert.Equal(2, counters.Divergences);
        // One store for each of the two warps: had the halves not met again, there would be four.
        Assert.Equal(2, counters.GlobalStores);
    }

    [Fact]
    public void A_loop_runs_as_often_as_each_thread_asks()
    {
        float[] x = Run($$"""
            mov.b32 %r2, 0;
            mov.f32 %f1, 0f00000000;
            LOOP:
            setp.ge.s32 %p0, %r2, %r1;
            @%p0 bra DONE;
            add.f32 %f1, %f1, %f0;
            add.s32 %r2, %r2, 1;
            bra LOOP;
            DONE:
            mov.f32 %f0, %f1;
            {{Store}}
            """);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (float)(i * i)), x);
    }

    [Fact]
    public void F32_is_rounded_after_each_instruction_and_fma_once()
    {
        // (1 + 2⁻¹²)² = 1 + 2⁻¹¹ + 2⁻²⁴: the last term is lost by mul and kept by fma.
        float[] x = new float[1];
        foreach ((string body, float expected) in (IEnumerable<(string, float)>)
            [("mul.f32 %f1, %f1, %f1; sub.f32 %f0, %f1, 0f3F801000;", 0), ("fma.rn.f32 %f0, %f1, %f1, 0fBF801000;", MathF.Pow(2, -24))])
        {
            PtxSimulator.Run(Kernel($"mov.f32 %f1, 0f3F800800; {body} {Store}"), 1, 1, [x, 0]);
            Assert.Equal(expected, x[0]);
        }
    }

    [Theory]
    [InlineData("shfl.sync.bfly.b32 %r2, %r1, 1, 31, 0xffffffff;", 1, 0, 3)]
    [InlineData("shfl.sync.down.b32 %r2, %r1, 2, 31, 0xffffffff;", 2, 3, 4)]
    [InlineData("shfl.sync.up.b32 %r2, %r1, 1, 0, 0xffffffff;", 0, 0, 1)]
    [InlineData("shfl.sync.idx.b32 %r2, %r1, 5, 31, 0xffffffff;", 5, 5, 5)]
    [InlineData("shfl.sync.idx.b32 %r2, %r1, 1, 0x1c1f, 0xffffffff;", 1, 1, 1)]
    public void Shuffles_move_registers(string shuffle, float zero, float one, float two)
    {
        float[] x = Run($"{shuffle} cvt.rn.f32.s32 %f0, %r2; {Store}", 32);
        Assert.Equal([zero, one, two], x[..3]);
    }

    [Fact]
    public void Votes_see_the_whole_warp()
    {
        float[] x = Run($"setp.lt.s32 %p0, %r1, 3; vote.sync.ballot.b32 %r2, %p0, 0xffffffff; cvt.rn.f32.s32 %f0, %r2; {Store}", 32);
        Assert.All(x, v => Assert.Equal(7, v));
    }

    [Fact]
    public void Barriers_make_shared_memory_visible()
    {
        // Each thread reads its neighbour's number, 32 threads on: the other warp's.
        float[] x = Run($"""
            st.shared.f32 [%rd4], %f0;
            bar.sync 0;
            xor.b32 %r2, %r1, 32;
            mul.wide.u32 %rd5, %r2, 4;
            add.u64 %rd5, %rd3, %rd5;
            ld.shared.f32 %f0, [%rd5];
            {Store}
            """);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (float)(i ^ 32)), x);
    }

    [Fact]
    public void A_missing_barrier_is_a_race()
    {
        string message = Refused($"""
            st.shared.f32 [%rd4], %f0;
            xor.b32 %r2, %r1, 32;
            mul.wide.u32 %rd5, %r2, 4;
            add.u64 %rd5, %rd3, %rd5;
            @%p0 bra END;
            setp.lt.s32 %p1, %r1, 32;
            @%p1 bra END;
            ld.shared.f32 %f0, [%rd5];
            END:
            {Store}
            """);
        Assert.Contains("races: warp 1 reads byte 0 of shared memory, which warp 0 wrote", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ld.shared.f32 %f0, [%rd4];", "nobody has written")]
    [InlineData("st.shared.f32 [%rd4+512], %f0;", "of 512 bytes of shared memory")]
    [InlineData("ld.global.f32 %f0, [%rd1+256];", "outside every view")]
    [InlineData("ld.global.f32 %f0, [%rd1+2];", "which is no multiple of them")]
    [InlineData("setp.lt.s32 %p0, %r1, 3; @%p0 ret; bar.sync 0;", "the others have ended")]
    [InlineData("setp.lt.s32 %p0, %r1, 3; @%p0 bra.uni END; neg.f32 %f0, %f0; END: neg.f32 %f0, %f0;", "promises uniformity")]
    [InlineData("div.s32 %r2, %r1, %r0;", "divides by zero")]
    [InlineData("setp.lt.s32 %p0, %r1, 3; @%p0 bra A; bar.sync 0; A: shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff;", "waits for its warp")]
    public void What_is_undefined_is_refused(string body, string message)
    {
        string refused = Refused(body);
        Assert.Contains(message, refused, StringComparison.Ordinal);
        Assert.Contains("Kernel_Test", refused, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_that_nobody_has_written_is_refused()
    {
        float[] x = new float[32];
        PtxGlobalMemory.Mark(System.Runtime.InteropServices.MemoryMarshal.AsBytes(x.AsSpan(8)));
        PtxException e = Assert.Throws<PtxException>(() => PtxSimulator.Run(Kernel(Store), 1, 32, [x, 0]));
        Assert.Contains("thread 8 of group 0 reads global memory that nobody has written", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_asynchronous_copy_is_there_after_its_wait_and_not_before()
    {
        const string Copy = """
            mul.wide.u32 %rd5, %r1, 16;
            add.u64 %rd5, %rd0, %rd5;
            cvt.u32.u64 %r3, %rd3;
            mad.lo.u32 %r3, %r1, 16, %r3;
            setp.lt.s32 %p0, %r1, 8;
            @%p0 cp.async.cg.shared.global [%r3], [%rd5], 16, 12;
            cp.async.commit_group;
            """;
        float[] x = Run($"{Copy} cp.async.wait_group 0; bar.sync 0; ld.shared.f32 %f0, [%rd4]; {Store}", 32);
        Assert.Equal([0, 1, 2, 0, 4, 5, 6, 0], x[..8]);
        Assert.Contains("a cp.async is still bringing", Refused($"{Copy} cp.async.wait_group 1; bar.sync 0; ld.shared.f32 %f0, [%rd4]; {Store}", 32), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4, 4, 0)] // neighbours: four sectors of 32 bytes for a warp, no conflict
    [InlineData(8, 8, 1)] // every second float: half of each sector is wasted, two threads a bank
    [InlineData(16, 16, 3)]
    public void Strides_cost_sectors_and_banks(int stride, int sectors, int conflicts)
    {
        PtxKernel kernel = Kernel($"mul.wide.u32 %rd5, %r1, {stride}; add.u64 %rd6, %rd0, %rd5; ld.global.f32 %f1, [%rd6]; add.u64 %rd6, %rd3, %rd5; st.shared.f32 [%rd6], %f1;");
        PtxCounters counters = PtxSimulator.Run(kernel, 1, 32, [new float[128], 0]);
        // The first load of each thread's own number is the other four sectors.
        Assert.Equal((2, 4 + sectors), (counters.GlobalLoads, counters.GlobalLoadSectors));
        Assert.Equal(conflicts, counters.BankConflicts);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_refused()
    {
        Assert.Contains("2 parameters, 1 arguments", Assert.Throws<PtxException>(() => PtxSimulator.Run(Kernel(Store), 1, 32, [0])).Message, StringComparison.Ordinal);
        Assert.Contains("parameter _n has 4 bytes, a Int64 has 8", Assert.Throws<PtxException>(() => PtxSimulator.Run(Kernel(Store), 1, 32, [new float[32], 0L])).Message, StringComparison.Ordinal);
    }
}
