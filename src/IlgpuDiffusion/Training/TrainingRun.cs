using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// How one training goes: its name in files, its settings as JSON (a resumed run must have the same), and how long it is.
public sealed record TrainingPlan(string Name, string Config, int Steps, int WarmupSteps)
{
    public double MaxGradNorm { get; init; } = 1;

    public int SaveEvery { get; init; } = 250;

    public int ReportEvery { get; init; } = 50;

    public int MilestoneEvery { get; init; } = 1000;
}

/// Trainings that survive being cut off: `NAME.state.safetensors` and `NAME.metrics.jsonl` in a folder. A run goes on to the same bits from the last state.
public sealed class TrainingRun(string folder, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    // The cosine ends at 3 % instead of zero, so that a longer run can go on from here.
    const double LastRate = 0.03;

    /// Runs to the end from wherever the state stands. `milestone` runs every so often and at the end, and gives more numbers for the metrics;
    /// `parts` gives those that each step leaves beside its loss, as they are averaged.
    public void Train(
        TrainingPlan plan, IReadOnlyList<Trainee> trainees, Arena arena, Func<Tape, long, Tensor> loss,
        Func<long, IEnumerable<(string Key, double Value)>>? milestone = null, Func<IReadOnlyList<(string Key, double Value)>>? parts = null)
    {
        string statePath = Path.Combine(folder, $"{plan.Name}.state.safetensors");
        long start = TrainState.LoadIfThere(statePath, trainees, plan.Config);
        LrSchedule schedule = new(LrCurve.Cosine, 1, plan.WarmupSteps, plan.Steps);
        using TrainLoop loop = new(arena, trainees, step => LastRate + ((1 - LastRate) * schedule.At((int)step + 1)), plan.MaxGradNorm);
        // Lines count steps that are done, so the one numbered `start` belongs to what is kept.
        using MetricsWriter metrics = new(Path.Combine(folder, $"{plan.Name}.metrics.jsonl"), start + 1);
        using TensorBoardWriter board = new(Path.Combine(folder, "tensorboard", plan.Name), start == 0 ? null : start + 1);
        ProgressLine progress = new(log, plan.Name, plan.Steps, interactive, start);
        Dictionary<string, double> sums = [];
        for (long step = start; step < plan.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            TrainStep done = loop.Step(step, tape => loss(tape, step));
            foreach ((string key, double value) in (ReadOnlySpan<(string, double)>)[("train/loss", done.Loss), .. parts?.Invoke() ?? []])
                sums[key] = sums.GetValueOrDefault(key) + value;
            progress.Report(step + 1, $"loss {done.Loss:0.0000}");
            bool last = step + 1 == plan.Steps;
            List<(string, double)> line = [];
            if ((step + 1) % plan.ReportEvery == 0)
            {
                line.AddRange(sums.Select(s => (s.Key, s.Value / plan.ReportEvery)));
                line.AddRange([("grad_norm", done.GradNorm), ("lr", done.LearningRate)]);
                sums.Clear();
            }

            if (milestone is not null && ((step + 1) % plan.MilestoneEvery == 0 || last))
                line.AddRange(milestone(step + 1));
            if (line.Count > 0)
                Write(step + 1, line);
            // Last: a run that is cut off before it writes these lines again.
            if ((step + 1) % plan.SaveEvery == 0 || last)
                TrainState.Save(statePath, trainees, step + 1, plan.Config);
        }

        void Write(long step, List<(string Key, double Value)> line)
        {
            metrics.Write(step, [.. line]);
            foreach ((string key, double value) in line)
                board.Scalar(key, value, step);
        }
    }
}
