using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

public class StudyPairTests
{
    [Theory]
    [InlineData(25, 30, 25)]
    [InlineData(10, 30, 25)]
    [InlineData(6, 4, 17)]
    [InlineData(6, 4, 24)]
    [InlineData(5, 5, 13)]
    [InlineData(3, 2, 25)]
    [InlineData(1, 1, 1)]
    public void Pairs_differ_and_are_even_over_people_prompts_and_sides(int people, int prompts, int count)
    {
        IReadOnlyList<StudyPair> pairs = StudyPair.Draw(people, prompts, count, 7);
        Assert.Equal(Math.Min(count, people * prompts), pairs.Count);
        Assert.Equal(pairs.Count, pairs.Select(p => (p.Person, p.Prompt)).Distinct().Count());
        Even(people, p => p.Person);
        Even(prompts, p => p.Prompt);
        Even(2, p => p.FirstIsLeft ? 1 : 0);

        void Even(int values, Func<StudyPair, int> of)
        {
            int[] times = [.. Enumerable.Range(0, values).Select(v => pairs.Count(p => of(p) == v))];
            Assert.Equal(pairs.Count, times.Sum());
            Assert.InRange(times.Max() - times.Min(), 0, 1);
        }
    }

    [Fact]
    public void A_seed_gives_the_same_pairs_and_another_one_others()
    {
        Assert.Equal(StudyPair.Draw(10, 30, 25, 1), StudyPair.Draw(10, 30, 25, 1));
        Assert.NotEqual(StudyPair.Draw(10, 30, 25, 1), StudyPair.Draw(10, 30, 25, 2));
        // Sides are a draw of their own: of one pair alone some seeds have the one, some the other.
        Assert.Equal(2, Enumerable.Range(0, 20).Select(seed => StudyPair.Draw(1, 1, 1, (ulong)seed).Single().FirstIsLeft).Distinct().Count());
    }
}
