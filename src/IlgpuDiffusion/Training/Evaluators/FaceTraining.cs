using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// Face recognition: two pictures of one person, whatever they wear and however they are painted, shall be nearer than those of two people.
public sealed class FaceTraining(ConvEncoder encoder, PeopleSet people, ContrastRecipe recipe)
{
    public Tensor Loss(Tape tape, long step)
    {
        Tensor pictures = new ContrastBatch(people, recipe, encoder.ImageSize, step).Augmented(tape);
        Tensor embeddings = encoder.Forward(tape, pictures).Embedding;
        int n = recipe.People;
        return InfoNce.Forward(
            tape, Ops.Slice.Forward(tape, embeddings, 0, 0, n), Ops.Slice.Forward(tape, embeddings, 0, n, n), recipe.Temperature, recipe.Margin);
    }
}
