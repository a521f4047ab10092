using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// A perceptual measure that knows no labels, in the place that DINO (Caron et al. 2021) has in the paper's tables: a vision transformer for which two changed
/// copies of one picture shall be nearer than copies of two (NT-Xent of SimCLR, Chen et al. 2020, which needs no second network).
public sealed class DinoTraining(VitModel encoder, PeopleSet people, ContrastRecipe recipe)
{
    public Tensor Loss(Tape tape, long step)
    {
        ContrastBatch batch = new(people, recipe, encoder.ImageSize, step);
        Tensor one = encoder.Embed(tape, batch.Augmented(tape)), two = encoder.Embed(tape, batch.Augmented(tape, view: 1));
        return InfoNce.Forward(tape, one, two, recipe.Temperature, recipe.Margin);
    }
}
