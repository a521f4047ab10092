using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Tests.Cli;

namespace IlgpuDiffusion.Tests.Evaluation;

public sealed class StudyVerbTests : IDisposable
{
    readonly StudyCase study = new();
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-tests-").FullName;
    readonly string key;

    public StudyVerbTests() => key = File("study-key.json", study.Key.ToJson());

    [Fact]
    public void The_table_has_both_methods_the_agreement_and_the_papers_numbers()
    {
        string[] answers = [Answers("a", q => q.Left == StudyCase.First), Answers("b", q => q.Left == StudyCase.First), Answers("c", q => q.Left != StudyCase.First)];
        Captured run = Captured.Ilgd(["study", key, .. answers]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("magic-one against magic-two; 3 raters, 4 people", run.Output);
        Assert.Contains("Which one is more like this person? (7 questions)", run.Output);
        Assert.Contains("majority    100.0 % [100.0, 100.0]", run.Output);
        Assert.Contains("all votes   66.7 % [66.7, 66.7]", run.Output);
        Assert.Contains("Krippendorff's alpha between raters: ", run.Output);
        Assert.Contains("SD 1.5 / CelebA-HQ, from the paper: hyperdreambooth 64.8 %, dreambooth 23.3 %, undecided 11.9 %", run.Output);
        Assert.Contains("hyperdreambooth 70.6 %, textual-inversion 21.6 %, undecided 7.8 %", run.Output);

        Captured json = Captured.Ilgd(["study", key, .. answers, "--json"]);
        Assert.Equal(0, json.Code);
        JsonNode table = JsonNode.Parse(json.Output)!["tables"]![0]!;
        Assert.Equal(1, (double)table["majority"]!["first"]!["mean"]!);
        Assert.Equal(1 / 3.0, (double)table["votes"]!["second"]!["mean"]!, 1e-12);
        Assert.Equal("first", (string)table["questions"]![0]!["majority"]!);
    }

    [Fact]
    public void What_cannot_be_counted_is_one_line_that_names_the_file()
    {
        string good = Answers("good", _ => true);
        string whole = System.IO.File.ReadAllText(good);
        Fails("nowhere.json: no such file", key, "nowhere.json");
        Fails("nowhere.json: no such file", "nowhere.json", good);
        Fails("text.json: not the answers that a study's page saves", key, File("text.json", "left, left, right"));
        Fails("up.json: not the answers", key, File("up.json", whole.Replace("\"identity-01\": \"left\"", "\"identity-01\": \"up\"", StringComparison.Ordinal)));
        Fails("number.json: not the answers", key, File("number.json", whole.Replace("\"identity-01\": \"left\"", "\"identity-01\": 1", StringComparison.Ordinal)));
        Fails("twice.json: not the answers", key, File("twice.json", whole.Replace("\"identity-02\"", "\"identity-01\"", StringComparison.Ordinal)));
        Fails("null.json: not the answers", key, File("null.json", "null"));
        Fails("good.json: not the study-key.json of a study", good, good);
        Fails("mixed.json: a key has two methods", File("mixed.json", study.Key.ToJson().Replace("\"left\": \"magic-two\"", "\"left\": \"other\"", StringComparison.Ordinal)), good);
        Fails("renamed.json: answers identity-99, which the study does not ask", key, File("renamed.json", whole.Replace("identity-02", "identity-99", StringComparison.Ordinal)));
        Fails("is counted already", key, good, good);
    }

    [Theory]
    [InlineData("study")]
    [InlineData("study", "key.json")]
    [InlineData("evaluate", "--people", "x", "--out", "y", "--methods", "lora,lidb", "--study", "lora,k1")]
    [InlineData("evaluate", "--people", "x", "--out", "y", "--methods", "lora,lidb", "--study", "lora")]
    [InlineData("evaluate", "--people", "x", "--out", "y", "--methods", "lora,lidb", "--study", "lora,lora")]
    [InlineData("evaluate", "--people", "x", "--out", "y", "--methods", "lora,lidb", "--study", "lora,lidb", "--study-questions", "0")]
    public void Wrong_usage_is_two(params string[] args)
    {
        Captured run = Captured.Ilgd(args);
        Assert.Equal(2, run.Code);
        Assert.Contains("--help", run.OneLine());
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static void Fails(string said, params string[] args)
    {
        Captured run = Captured.Ilgd(["study", .. args]);
        Assert.Equal(1, run.Code);
        Assert.Contains(said, run.OneLine());
    }

    string Answers(string rater, Func<StudyQuestion, bool> left) =>
        File($"{rater}.json", JsonSerializer.Serialize(study.By(rater, q => left(q) ? StudyChoice.Left : StudyChoice.Right), StudyJson.Options));

    string File(string name, string text)
    {
        string path = Path.Combine(folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }
}
