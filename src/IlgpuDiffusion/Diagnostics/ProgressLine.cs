namespace IlgpuDiffusion.Diagnostics;

/// Progress of a run, `train  120/400  30%  12.3 it/s  loss 0.0421  0:23 left`. On a terminal one line that is written over with a
/// carriage return, at most ten times a second; elsewhere a plain line every five seconds, so that a log stays readable.
/// A run that resumes gives where it starts, so that the rate counts only what it did itself.
public sealed class ProgressLine(TextWriter output, string label, long total, bool interactive, long startAt = 0, TimeProvider? clock = null)
{
    static readonly TimeSpan TerminalInterval = TimeSpan.FromMilliseconds(100), LogInterval = TimeSpan.FromSeconds(5);

    readonly TimeProvider clock = clock ?? TimeProvider.System;
    readonly long started = (clock ?? TimeProvider.System).GetTimestamp();
    long? shown;
    int shownLength;

    /// `done` of the total are done.
    public void Report(long done, string note = "")
    {
        TimeSpan interval = interactive ? TerminalInterval : LogInterval;
        bool due = shown is not { } last ? interactive || clock.GetElapsedTime(started) >= interval : clock.GetElapsedTime(last) >= interval;
        if (!due && done < total)
            return;
        shown = clock.GetTimestamp();

        string text = Format(done, note);
        if (!interactive)
        {
            output.WriteLine(text);
            return;
        }
        output.Write('\r' + text.PadRight(shownLength));
        shownLength = text.Length;
        if (done >= total)
            output.WriteLine();
        output.Flush();
    }

    string Format(long done, string note)
    {
        double seconds = clock.GetElapsedTime(started).TotalSeconds;
        double rate = seconds > 0 ? (done - startAt) / seconds : 0;
        string speed = rate >= 1 || rate <= 0 ? $"{rate:0.0} it/s" : $"{1 / rate:0.0} s/it";
        string tail = done >= total ? $"{Duration(seconds)} in all" : rate > 0 ? $"{Duration((total - done) / rate)} left" : "";
        string percent = total > 0 ? $"{100 * done / total}%" : "";
        return string.Join("  ", new[] { label, $"{done}/{total}", percent, speed, note, tail }.Where(part => part.Length > 0));
    }

    static string Duration(double seconds)
    {
        long whole = (long)Math.Min(Math.Ceiling(seconds), TimeSpan.FromDays(999).TotalSeconds);
        return whole >= 3600 ? $"{whole / 3600}:{whole / 60 % 60:00}:{whole % 60:00}" : $"{whole / 60}:{whole % 60:00}";
    }
}
