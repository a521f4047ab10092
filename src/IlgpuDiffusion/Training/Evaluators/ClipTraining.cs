using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// A pair of encoders for pictures and captions in the place of CLIP (Radford et al. 2021). A step has several pictures of each person, which only what is in
/// the caption tells apart; two pictures with the same caption are not told apart.
public sealed class ClipTraining(ConvEncoder pictures, ClipTextModel texts, PeopleSet people, Func<string, int[]> encode, ContrastRecipe recipe)
{
    public Tensor Loss(Tape tape, long step)
    {
        ContrastBatch batch = new(people, recipe, pictures.ImageSize, step);
        string[] captions = [.. batch.Pictures.Select(p => p.Caption)];
        Tensor ofPictures = pictures.Forward(tape, batch.Augmented(tape)).Embedding;
        return InfoNce.Forward(tape, ofPictures, Embed(tape, captions), recipe.Temperature, recipe.Margin, (i, j) => captions[i] == captions[j]);
    }

    // (N, D)
    Tensor Embed(Tape tape, string[] captions)
    {
        int[] ids = [.. captions.SelectMany(encode)];
        return texts.Pool(tape, texts.Forward(tape, ids, captions.Length), ids);
    }
}
