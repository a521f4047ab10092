using System.Numerics;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Evaluation;

/// Two methods' pictures of one person for one prompt, to be compared: places in the lists of people and prompts, and whether the first method's picture is on the left.
public sealed record StudyPair(int Person, int Prompt, bool FirstIsLeft)
{
    const uint Stream = 43;

    /// `count` pairs, all different, or all there are of people × prompts if these are fewer. No person occurs twice more often than another, no prompt, and no side:
    /// who always takes the left one has said nothing. The same pairs for the same arguments.
    public static IReadOnlyList<StudyPair> Draw(int people, int prompts, int count, ulong seed)
    {
        count = Math.Min(count, people * prompts);
        RngStream Step(ulong step) => new(seed, Stream, step);
        int[] who = Step(0).Permutation(people), what = Step(1).Permutation(prompts), side = Step(2).Permutation(count);
        int odd = Step(3).Integer(0, 0, 2);
        // Both lists are gone round together; after as many as have a factor in common with both, a pair would come again, so the prompts move on by one.
        int lap = people * prompts / (int)BigInteger.GreatestCommonDivisor(people, prompts);
        return [.. Enumerable.Range(0, count).Select(i => new StudyPair(who[i % people], what[(i + (i / lap)) % prompts], (side[i] + odd) % 2 == 0))];
    }
}
