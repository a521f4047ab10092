using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// A progress line for each phase of a run, on a terminal written over, elsewhere plain.
sealed class PhaseLines(TextWriter output, bool interactive)
{
    ProgressLine? line;
    string phase = "";

    public void Report(PhaseProgress progress)
    {
        if (line is null || phase != progress.Phase)
        {
            phase = progress.Phase;
            line = new ProgressLine(output, phase, progress.Total, interactive);
        }

        line.Report(progress.Done, progress.Note);
    }

    public void Report(MemoryPlan plan)
    {
        foreach (string text in plan.Lines())
            output.WriteLine(text);
    }

    /// With --json the output is for a machine, so progress goes to the other stream, and only where somebody looks at it.
    public static PhaseLines For(bool json, TextWriter output, TextWriter error) => (json, Console.IsErrorRedirected) switch
    {
        (false, _) => new PhaseLines(output, output == Console.Out && !Console.IsOutputRedirected),
        (true, false) => new PhaseLines(error, interactive: true),
        _ => new PhaseLines(TextWriter.Null, interactive: false),
    };
}
