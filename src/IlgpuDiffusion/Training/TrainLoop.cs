using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// What one step gave.
public readonly record struct TrainStep(long Step, double Loss, double GradNorm, double LearningRate);

/// Forward, backward, clip, update: the loop that the base models, and every method of personalisation, are trained by.
/// `rateFactor` multiplies each optimiser's own learning rate at a step. `checkpoint`: see <see cref="Tape"/>.
public sealed class TrainLoop(Arena arena, IReadOnlyList<Trainee> trainees, Func<long, double> rateFactor, double maxGradNorm, bool checkpoint = false) : IDisposable
{
    readonly LaunchGraph? graph = arena.Device.Graphs ? new LaunchGraph(arena.Device.Kernels) : null;

    /// Parts of steps that ran as they had been noted; 0 where the device was not opened for that.
    public long Replays => graph?.Replays ?? 0;

    /// One step: each of `losses` computes a scalar on the tape it is given, one after another and each in the memory of the last; their sum is what is brought down.
    /// A loss or gradient that is not finite stops the run before the weights are touched.
    public TrainStep Step(long step, params IReadOnlyList<Func<Tape, Tensor>> losses)
    {
        using LaunchGraph.StepScope scope = graph is null ? default : graph.Step();
        foreach (Trainee trainee in trainees)
            trainee.Weights.ZeroGrad();
        double value = 0;
        for (int i = 0; i < losses.Count; i++)
        {
            if (i > 0)
                arena.Reset();
            Tape tape = new(arena, checkpoint: checkpoint);
            Tensor scalar = losses[i](tape);
            tape.Backward(scalar);
            value += scalar.Item();
        }

        double norm = GradNorm.Of(arena, [.. trainees.Select(t => t.Weights)]);
        if (!double.IsFinite(value) || !double.IsFinite(norm))
            throw new IlgdException($"step {step}: loss {value}, gradient norm {norm} ({FirstNonFinite()}): lower the learning rate; the last checkpoint is unharmed");
        double factor = rateFactor(step);
        foreach (Trainee trainee in trainees)
        {
            trainee.Optimizer.Step(factor, GradNorm.Coefficient(norm, maxGradNorm));
            trainee.Average?.Step();
        }

        arena.Reset();
        return new TrainStep(step, value, norm, factor * trainees[0].Optimizer.Settings.LearningRate);
    }

    public void Dispose() => graph?.Dispose();

    string FirstNonFinite()
    {
        foreach (Trainee trainee in trainees)
        {
            foreach (Parameter p in trainee.Weights.Parameters)
            {
                if (p.Value.Grad!.ToArray().Any(g => !float.IsFinite(g)))
                    return $"first in the gradient of {trainee.Name}.{p.Name}";
            }
        }

        return "all gradients are finite";
    }
}
