using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

public class EvaluationPromptTests
{
    [Fact]
    public void The_thirty_are_in_the_models_words_and_each_says_what_must_be_true()
    {
        IReadOnlyList<EvaluationPrompt> prompts = EvaluationPrompt.Standard;
        Assert.Equal(30, prompts.Select(p => p.Text).Distinct().Count());
        Assert.All(prompts, p =>
        {
            Assert.Contains("[V]", p.Text);
            Assert.NotEmpty(p.Judged);
            Assert.All(WordVocabulary.Split(p.Text.Replace("[V]", "", StringComparison.Ordinal)), word => Assert.Contains(word, Captions.Words));
        });
    }

    // The prompt says the same as the caption of what is asked for, so neither can be right alone.
    [Fact]
    public void What_must_be_true_is_what_the_prompt_says() => Assert.All(
        EvaluationPrompt.Standard, p => Assert.Equal(Captions.Of(p.Asked), p.Text.Replace("[V] ", "", StringComparison.Ordinal)));

    [Fact]
    public void Every_value_of_every_aspect_is_asked_for_alone() => Assert.All(Aspect.All, aspect =>
    {
        for (int value = 1; value < aspect.Values.Count; value++)
            Assert.Contains(EvaluationPrompt.Standard, p => p.Asked == aspect.With(new FaceContext(), value) && p.Judged.SequenceEqual([aspect]));
    });

    [Fact]
    public void Truths_are_found_by_the_names_of_make_world_and_by_the_prompt()
    {
        EvaluationPrompt both = Assert.Single(EvaluationPrompt.Standard, p => p.Text == "a pencil sketch of a [V] face smiling");
        Assert.Equal(["a-pencil-sketch-of-a-v-face-smiling", "pencil-sketch-smiling"], both.TruthNames);
        Assert.Equal(["a-v-face"], EvaluationPrompt.Standard[0].TruthNames);
    }
}
