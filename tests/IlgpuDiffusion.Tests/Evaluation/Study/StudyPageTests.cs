using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.Evaluation;

public partial class StudyPageTests
{
    [Fact]
    public void The_page_says_nothing_of_methods_and_shows_three_pictures_a_pair()
    {
        StudyCase study = new();
        string text = StudyCase.WithoutPictures(study.Page);
        Assert.DoesNotContain(StudyCase.First, text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(StudyCase.Second, text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("anna", text, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(3 * study.Shown.Count, StudyCase.Pictures(study.Page).Length);
        Assert.Equal(2 * study.Shown.Count, study.Key.Questions.Count);
        Assert.Equal(study.Shown.Count, Regex.Count(text, "<section data-pair="));
        Assert.Contains("a face in &lt;snow&gt;", text);
        Assert.Contains("class=\"pixels\"", text);
    }

    // Apart from pictures and prompts, a study with all sides turned has the same page.
    [Fact]
    public void Nothing_but_the_pictures_depends_on_the_sides()
    {
        StudyCase study = new();
        ShownPair[] turned = [.. study.Shown.Select(p => p with { Left = p.Right, Right = p.Left })];
        string Bare(string page, IReadOnlyList<ShownPair> pairs) => StudyCase.WithoutPictures(page).Replace(StudyPage.IdOf(pairs), "", StringComparison.Ordinal);
        Assert.Equal(Bare(study.Page, study.Shown), Bare(StudyPage.Build(turned), turned));
        Assert.NotEqual(StudyPage.IdOf(study.Shown), StudyPage.IdOf(turned));
    }

    [Fact]
    public void The_only_script_that_may_run_is_the_pages_own_and_nothing_is_fetched()
    {
        string page = new StudyCase().Page;
        string script = Assert.Single(Script().Matches(page)).Groups[1].Value;
        Assert.Contains($"script-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'\"", page);
        Assert.Contains("default-src 'none'", page);
        Assert.DoesNotContain("http", StudyCase.WithoutPictures(page).Replace("http-equiv", "", StringComparison.Ordinal));
        Assert.DoesNotMatch(" on[a-z]+=", StudyCase.WithoutPictures(page));
    }

    // The key against the page's own pixels: red is the first method's.
    [Fact]
    public void Always_the_left_one_comes_out_as_the_pictures_on_the_left_are()
    {
        foreach (ulong seed in (ulong[])[1, 2, 3])
        {
            StudyCase study = new(seed);
            bool[] red = [.. StudyCase.Pictures(study.Page).Chunk(3).Select(pair => pair[1].Pixels[0] > 0)];
            double expected = red.Count(r => r) / (double)red.Length;
            StudyResult left = StudyTally.Of(study.Key, [study.By("l", _ => StudyChoice.Left)]), right = StudyTally.Of(study.Key, [study.By("r", _ => StudyChoice.Right)]);
            Assert.Equal([StudyCriterion.Identity, StudyCriterion.Description], left.Tables.Select(t => t.About));
            foreach (StudyTable table in left.Tables)
            {
                Assert.Equal(expected, table.Majority.First.Mean, 1e-12);
                Assert.Equal(1 - expected, table.Votes.Second.Mean, 1e-12);
                Assert.Equal(red.Select(r => r ? StudyOutcome.First : StudyOutcome.Second), table.Questions.Select(q => q.Majority));
            }

            Assert.All(right.Tables, table => Assert.Equal(expected, table.Majority.Second.Mean, 1e-12));
        }
    }

    [GeneratedRegex("<script>(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex Script();
}
