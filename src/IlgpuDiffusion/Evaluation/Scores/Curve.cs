namespace IlgpuDiffusion.Evaluation;

/// A method after so many iterations: means over people and seeds. `Prompt` is null without a CLIP-like pair, `Retrieval` without further samples.
public sealed record CurvePoint(int Step, double? Fidelity, double? Prompt, double? Retrieval, double? Loss, double Seconds);

/// How a method moves as its iterations grow.
public sealed record Curve(string Method, IReadOnlyList<CurvePoint> Points)
{
    /// The most fidelity at a place on the way whose prompt-following is at least that level, with straight lines between the points that were measured; null where the
    /// method never is. A method that returns its input wins on fidelity alone: so methods are compared at equal prompt-following.
    public double? FidelityAt(double prompt)
    {
        double? best = null;
        foreach ((CurvePoint from, CurvePoint to) in Segments)
        {
            (double start, double end) = (0, 1);
            Narrow(from.Prompt!.Value - prompt, to.Prompt!.Value - prompt, ref start, ref end);
            double Fidelity(double at) => from.Fidelity!.Value + (at * (to.Fidelity!.Value - from.Fidelity.Value));
            if (start <= end)
                best = Math.Max(best ?? double.NegativeInfinity, Math.Max(Fidelity(start), Fidelity(end)));
        }

        return best;
    }

    /// Seconds until the method first has that fidelity while it follows prompts at least to that level; null where it never does.
    public double? SecondsTo(double fidelity, double prompt)
    {
        foreach ((CurvePoint from, CurvePoint to) in Segments)
        {
            // On one segment both are linear, so what fulfils both is one piece of it.
            (double start, double end) = (0, 1);
            Narrow(from.Prompt!.Value - prompt, to.Prompt!.Value - prompt, ref start, ref end);
            Narrow(from.Fidelity!.Value - fidelity, to.Fidelity!.Value - fidelity, ref start, ref end);
            if (start <= end)
                return from.Seconds + (start * (to.Seconds - from.Seconds));
        }

        return null;
    }

    // One point alone is a segment of no length.
    IEnumerable<(CurvePoint From, CurvePoint To)> Segments
    {
        get
        {
            CurvePoint[] measured = [.. Points.Where(p => p.Fidelity is not null && p.Prompt is not null)];
            return measured.Length == 1 ? [(measured[0], measured[0])] : measured.Zip(measured.Skip(1));
        }
    }

    // Keeps of [start, end] where a line from `atZero` at 0 to `atOne` at 1 is not negative.
    static void Narrow(double atZero, double atOne, ref double start, ref double end)
    {
        if (atZero < 0 && atOne < 0)
            (start, end) = (1, 0);
        else if (atZero < 0)
            start = Math.Max(start, atZero / (atZero - atOne));
        else if (atOne < 0)
            end = Math.Min(end, atZero / (atZero - atOne));
    }
}
