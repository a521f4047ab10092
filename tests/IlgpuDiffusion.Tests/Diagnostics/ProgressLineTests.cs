using IlgpuDiffusion.Diagnostics;

namespace IlgpuDiffusion.Tests.Diagnostics;

public sealed class ProgressLineTests : IDisposable
{
    readonly StringWriter output = new() { NewLine = "\n" };
    readonly ManualClock clock = new();

    public void Dispose() => output.Dispose();

    [Fact]
    public void A_log_gets_a_line_every_five_seconds_and_one_at_the_end()
    {
        ProgressLine progress = new(output, "train", 20, interactive: false, clock: clock);
        for (int done = 1; done <= 20; done++)
        {
            clock.Seconds += 0.5;
            progress.Report(done, "loss 0.5");
        }

        Assert.Equal("train  10/20  50%  2.0 it/s  loss 0.5  0:05 left\ntrain  20/20  100%  2.0 it/s  loss 0.5  0:10 in all\n", output.ToString());
    }

    [Fact]
    public void A_terminal_line_is_written_over_and_covers_a_longer_one_before()
    {
        ProgressLine progress = new(output, "draw", 3, interactive: true, clock: clock);
        clock.Seconds = 4;
        progress.Report(1, "a long note");
        clock.Seconds = 4.05;
        progress.Report(2, "too soon");
        clock.Seconds = 6;
        progress.Report(3);

        string[] writes = output.ToString().Split('\r');
        Assert.Equal(3, writes.Length);
        Assert.Equal("draw  1/3  33%  4.0 s/it  a long note  0:08 left", writes[1]);
        Assert.Equal("draw  3/3  100%  2.0 s/it  0:06 in all".PadRight(writes[1].Length) + "\n", writes[2]);
    }

    [Fact]
    public void A_resumed_run_counts_only_its_own_steps()
    {
        ProgressLine progress = new(output, "train", 100, interactive: true, startAt: 90, clock: clock);
        clock.Seconds = 5;
        progress.Report(95);

        Assert.Contains("1.0 it/s", output.ToString());
        Assert.Contains("0:05 left", output.ToString());
    }

    sealed class ManualClock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)Math.Round(Seconds * 1000);
    }
}
