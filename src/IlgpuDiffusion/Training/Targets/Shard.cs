namespace IlgpuDiffusion.Training.Targets;

/// Part `Index` (from 0) of `Count` equal parts of a work.
public readonly record struct Shard(int Index, int Count)
{
    public static Shard Whole { get; } = new(0, 1);

    /// `2/8`. Errors: anything else.
    public static Shard Parse(string text) =>
        text.Split('/') is [var index, var count] && int.TryParse(index, out int i) && int.TryParse(count, out int n) && i >= 0 && i < n
            ? new Shard(i, n)
            : throw new IlgdException($"--shard '{text}' is no part of a work; expected INDEX/COUNT with INDEX from 0 to COUNT − 1, like 2/8");

    /// The part that the cluster's variables name: SLURM_ARRAY_TASK_ID, _MIN and _COUNT of an array job; JOB_COMPLETION_INDEX of a Kubernetes indexed job, which says the number of
    /// parts nowhere, so that its manifest has to set JOB_COMPLETIONS. Without any, the whole.
    public static Shard FromEnvironment(Func<string, string?> variable)
    {
        if (Number("SLURM_ARRAY_TASK_ID") is { } task)
            return Checked(task - (Number("SLURM_ARRAY_TASK_MIN") ?? 0), "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT");
        return Number("JOB_COMPLETION_INDEX") is { } index ? Checked(index, "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS") : Whole;

        Shard Checked(int part, string name, string countName)
        {
            int count = Number(countName) ?? throw new IlgdException($"{name} is set but {countName} is not: set it to the number of parts, or give --shard INDEX/COUNT");
            return part >= 0 && part < count ? new Shard(part, count) : throw new IlgdException($"{name} says part {part} of {count} ({countName}): give --shard INDEX/COUNT");
        }

        int? Number(string name) => variable(name) is not { Length: > 0 } text ? null
            : int.TryParse(text, out int value) ? value
            : throw new IlgdException($"{name} is '{text}', which is no number");
    }
}
