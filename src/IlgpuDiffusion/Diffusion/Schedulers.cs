namespace IlgpuDiffusion.Diffusion;

/// The schedulers by the names that the command line takes, and by those of `scheduler_config.json`.
public static class Schedulers
{
    // Name, the published class, how it is made. The first of a class is what that class means in a folder.
    static readonly (string Name, string Class, Func<SchedulerConfig, double, IScheduler> Make)[] Table =
    [
        ("ddim", "DDIMScheduler", (config, eta) => new DdimScheduler(config, eta)),
        ("ddpm", "DDPMScheduler", (config, _) => new DdpmScheduler(config)),
        ("pndm", "PNDMScheduler", (config, _) => new PndmScheduler(config)),
        ("euler", "EulerDiscreteScheduler", (config, _) => new EulerScheduler(config)),
        ("euler-a", "EulerAncestralDiscreteScheduler", (config, _) => new EulerScheduler(config, ancestral: true)),
        ("heun", "HeunDiscreteScheduler", (config, _) => new HeunScheduler(config)),
        ("dpm++", "DPMSolverMultistepScheduler", (config, _) => new DpmSolverMultistep(config)),
        ("dpm++-karras", "DPMSolverMultistepScheduler", (config, _) => new DpmSolverMultistep(config with { UseKarrasSigmas = true })),
        ("dpm++-sde", "DPMSolverMultistepScheduler", (config, _) => new DpmSolverMultistep(config with { AlgorithmType = AlgorithmType.SdeDpmSolverPlusPlus })),
        ("unipc", "UniPCMultistepScheduler", (config, _) => new UniPcScheduler(config)),
        ("lcm", "LCMScheduler", (config, _) => new LcmScheduler(config)),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. Table.Select(row => row.Name)];

    /// The name of the scheduler that a folder's config asks for; DDIM where it names none. Errors: one that is not here.
    public static string NameOf(SchedulerConfig config) => config.ClassName is not { } wanted
        ? Table[0].Name
        : Table.FirstOrDefault(row => row.Class == wanted).Name
            ?? throw new IlgdException($"the model's scheduler is a {wanted}, which this program does not have; choose one with --scheduler: {string.Join(", ", Names)}");

    /// Any scheduler from any folder's config; by default the one that the config names. `eta` is DDIM's only.
    public static IScheduler Create(string? name, SchedulerConfig config, double eta = 0)
    {
        name ??= NameOf(config);
        return (Table.FirstOrDefault(row => row.Name == name).Make
            ?? throw new IlgdException($"scheduler '{name}' is not known; use one of: {string.Join(", ", Names)}"))(config, eta);
    }
}
