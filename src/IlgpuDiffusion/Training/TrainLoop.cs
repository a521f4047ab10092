using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// What one step gave.
public readonly record struct TrainStep(long Step, double Loss, double GradNorm, double LearningRate);

/// Forward, backward, clip, update: the loop that the base models, and every method of personalisation, are trained by.
/// `rateFactor` multiplies each optimiser's own learning rate at a step.
public sealed class TrainLoop(Arena arena, IReadOnlyList<Trainee> trainees, Func<long, double> rateFactor, double maxGradNorm)
{
    /// One step: `loss` computes a scalar on the tape it is given. A loss or gradient that is not finite stops the run before the weights are touched.
    public TrainStep Step(long step, Func<Tape, Tensor> loss)
    {
        foreach (Trainee trainee in trainees)
            trainee.Weights.ZeroGrad();
        Tape tape = new(arena);
        Tensor scalar = loss(tape);
        tape.Backward(scalar);
        double value = scalar.Item(), norm = GradNorm.Of(arena, [.. trainees.Select(t => t.Weights)]);
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
