namespace IlgpuDiffusion.Diffusion;

/// The schedulers by the names that the command line takes.
public static class Schedulers
{
    public static IReadOnlyList<string> Names { get; } = ["ddim", "ddpm", "dpm++"];

    /// Any scheduler from any folder's config. `eta` is DDIM's only.
    public static IScheduler Create(string name, SchedulerConfig config, double eta = 0) => name switch
    {
        "ddim" => new DdimScheduler(config, eta),
        "ddpm" => new DdpmScheduler(config),
        "dpm++" => new DpmSolverMultistep(config),
        _ => throw new IlgdException($"scheduler '{name}' is not known; use one of: {string.Join(", ", Names)}"),
    };
}
