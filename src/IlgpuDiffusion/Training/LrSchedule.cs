namespace IlgpuDiffusion.Training;

/// The course of the learning rate after its warm-up, by the names that diffusers' training scripts take.
public enum LrCurve
{
    Constant,
    ConstantWithWarmup,
    Linear,
    Cosine,
    CosineWithRestarts,
    Polynomial,
}

/// Learning rate of optimiser step t = 0, 1, …; with W warm-up steps of T in all and p = (t − W) / (T − W):
///
///     warm-up                 lr · t / W                               (step 0 runs at 0; `constant` has none)
///     constant                lr
///     linear                  lr · (1 − p)                             0 from T on
///     cosine                  lr · ½ (1 + cos(2π · cycles · p))        cycles ½: one half wave; goes on past T
///     cosine_with_restarts    lr · ½ (1 + cos(π · frac(cycles · p)))   0 from T on
///     polynomial              (lr − end) · (1 − p)^power + end         end from T on
public sealed record LrSchedule(LrCurve Curve, double BaseLr, int WarmupSteps = 0, int TrainingSteps = 0)
{
    /// Waves of cosine (default ½) or number of cosine_with_restarts' cycles (default 1).
    public double? NumCycles { get; init; }

    /// Exponent of polynomial.
    public double Power { get; init; } = 1;

    /// Where polynomial ends.
    public double EndLr { get; init; } = 1e-7;

    /// The curve of a published name such as `cosine_with_restarts`.
    public static LrCurve ParseCurve(string name) => name switch
    {
        "constant" => LrCurve.Constant,
        "constant_with_warmup" => LrCurve.ConstantWithWarmup,
        "linear" => LrCurve.Linear,
        "cosine" => LrCurve.Cosine,
        "cosine_with_restarts" => LrCurve.CosineWithRestarts,
        "polynomial" => LrCurve.Polynomial,
        _ => throw new IlgdException($"learning-rate schedule '{name}' is not known; "
            + "use constant, constant_with_warmup, linear, cosine, cosine_with_restarts or polynomial"),
    };

    /// The rate that optimiser step `step` (from 0) uses.
    public double At(int step)
    {
        if (Curve == LrCurve.Constant)
            return BaseLr;
        if (step < WarmupSteps)
            return BaseLr * (step / (double)WarmupSteps);
        if (Curve == LrCurve.ConstantWithWarmup)
            return BaseLr;

        double progress = (step - WarmupSteps) / (double)Math.Max(1, TrainingSteps - WarmupSteps);
        bool over = step >= TrainingSteps;
        return Curve switch
        {
            LrCurve.Linear => over ? 0 : BaseLr * (1 - progress),
            LrCurve.Cosine => BaseLr * HalfWave(2 * (NumCycles ?? 0.5) * progress),
            LrCurve.CosineWithRestarts => progress >= 1 ? 0 : BaseLr * HalfWave((NumCycles ?? 1) * progress % 1),
            _ => over ? EndLr : (BaseLr - EndLr) * Math.Pow(1 - progress, Power) + EndLr,
        };
    }

    static double HalfWave(double u) => 0.5 * (1 + Math.Cos(Math.PI * u));
}
