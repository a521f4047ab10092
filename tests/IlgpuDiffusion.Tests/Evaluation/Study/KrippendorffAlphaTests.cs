using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

/// The worked examples of Krippendorff 2011, "Computing Krippendorff's alpha-reliability", which prints three digits.
public class KrippendorffAlphaTests
{
    const double Printed = 0.0005;

    [Fact]
    public void Two_raters_of_two_answers() => Assert.Equal(0.095, Of("0100000010", "1110010000")!.Value, Printed);

    [Fact]
    public void Two_raters_of_five_answers() => Assert.Equal(0.692, Of("aabbdcccedda", "babbbccceddd")!.Value, Printed);

    // A dot is no answer; the twelfth unit has one rater's alone.
    [Fact]
    public void Four_raters_who_left_some_out() => Assert.Equal(0.743, Of("123321412...", "1233224125.3", ".3332342251.", "12332441251.")!.Value, Printed);

    [Fact]
    public void Agreement_in_everything_is_one_and_where_there_is_nothing_to_agree_on_it_is_not_defined()
    {
        Assert.Equal(1, Of("abab", "abab")!.Value, 1e-12);
        Assert.True(Of("abab", "baba") < 0);
        Assert.Null(Of("aaaa", "aaaa"));
        Assert.Null(Of("abab"));
    }

    static double? Of(params string[] raters)
    {
        char[] answers = [.. string.Concat(raters).Distinct().Where(c => c != '.').Order()];
        return KrippendorffAlpha.Nominal([.. Enumerable.Range(0, raters[0].Length).Select(unit => (IReadOnlyList<int>)[.. answers.Select(a => raters.Count(r => r[unit] == a))])]);
    }
}
