using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// `table.json`. A measure that was not taken is null, and the row's `absent` says why.
static class TableJson
{
    public static string Of(EvaluationResult result) => new JsonObject
    {
        ["rows"] = Rows(result.Rows),
        ["differences"] = Differences(result.Groups[0]),
        ["groups"] = Array(
            result.Groups.Skip(1), g => new JsonObject { ["name"] = g.Name, ["people"] = g.People, ["rows"] = Rows(g.Rows), ["differences"] = Differences(g) }),
        ["measures"] = new JsonObject(Measure.All.Select(m => KeyValuePair.Create(m.Name, (JsonNode?)m.Meaning))),
        ["curves"] = Array(result.Curves, Curve),
        ["equal_prompt"] = Array(result.Equal, Equal),
        ["people"] = Array(result.People.Select(p => $"{p.Group}/{p.Person}").Distinct(), name => JsonValue.Create(name)),
        ["model_sha256"] = result.Facts.Model,
        ["judges_sha256"] = new JsonObject(result.Facts.Judges.Select(j => KeyValuePair.Create(j.Key, (JsonNode?)j.Value))),
        ["face_judge_is_the_hypernetworks_own"] = result.Facts.OwnJudge,
        ["settings"] = JsonSerializer.SerializeToNode(
            new
            {
                result.Settings.Methods,
                Prompts = result.Settings.Prompts.Select(p => p.Text),
                result.Settings.Seeds,
                result.Settings.Samples,
                result.Settings.Curve,
                result.Settings.Subject,
                result.Settings.Sampling,
                result.Settings.Device,
                result.Settings.Conv,
            },
            RunRecord.Json),
        ["paper"] = PaperNumbers.Mark,
    }.ToJsonString(RunRecord.Json);

    static JsonArray Rows(IEnumerable<TableRow> rows) => Array(rows, row =>
    {
        JsonObject json = new() { ["method"] = row.Method, ["kind"] = $"{row.Kind}".ToLowerInvariant(), ["people"] = row.People };
        foreach (Measure m in Measure.All)
            json[m.Name] = Of(row.Scores, m);
        json["seconds"] = row.Seconds;
        json["bytes"] = row.Bytes;
        json["absent"] = new JsonObject(row.Absent.Select(a => KeyValuePair.Create(a.Key.Name, (JsonNode?)a.Value)));
        json["paper"] = PaperNumbers.Of(row.Method, Measure.FaceRec) is null
            ? null
            : new JsonObject(Measure.All.Select(m => (m, PaperNumbers.Of(row.Method, m))).Where(p => p.Item2 is not null).Select(p => KeyValuePair.Create(p.m.Name, (JsonNode?)p.Item2)));
        return json;
    });

    // Paired by person.
    static JsonArray Differences(TableGroup group) => Array(group.Differences, d =>
    {
        JsonObject json = new() { ["method"] = d.Method, ["minus"] = d.Minus };
        foreach (Measure m in d.Scores.Keys)
            json[m.Name] = Of(d.Scores, m);
        return json;
    });

    static JsonObject? Of(IReadOnlyDictionary<Measure, Interval> scores, Measure measure) =>
        scores.TryGetValue(measure, out Interval i) ? new JsonObject { ["mean"] = i.Mean, ["low"] = i.Low, ["high"] = i.High } : null;

    static JsonObject Curve(Curve curve) => new()
    {
        ["method"] = curve.Method,
        ["points"] = Array(curve.Points, p => new JsonObject
        {
            ["step"] = p.Step,
            [Measure.FaceRec.Name] = p.Fidelity,
            [Measure.PromptOk.Name] = p.Prompt,
            ["loss"] = p.Loss,
            ["seconds"] = p.Seconds,
        }),
    };

    static JsonObject Equal(EqualPrompt equal) => new()
    {
        ["share_of_base"] = equal.Share,
        [Measure.PromptOk.Name] = equal.Prompt,
        [Measure.FaceRec.Name] = ByMethod(equal.Fidelity),
        ["seconds_to"] = Array(equal.Seconds, s => new JsonObject { ["reference"] = s.Reference, [Measure.FaceRec.Name] = s.Fidelity, ["seconds"] = ByMethod(s.Seconds) }),
    };

    static JsonObject ByMethod(IReadOnlyDictionary<string, double?> values) => new(values.Select(v => KeyValuePair.Create(v.Key, (JsonNode?)v.Value)));

    static JsonArray Array<T>(IEnumerable<T> items, Func<T, JsonNode?> node) => new([.. items.Select(node)]);
}
