using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

/// The page's script, run by node on a document of just the elements that the page has, by clicks and keys.
public sealed class StudyScriptTests : IDisposable
{
    // Elements by their tags alone, in the page's order; no layout, no nesting. What the script would save is printed.
    const string Document = """
        const fs = require("fs"), vm = require("vm");
        const [page, stored] = process.argv.slice(2).map(path => fs.readFileSync(path, "utf8"));
        const elements = [...page.split("<script>")[0].matchAll(/<(\w+)([^>]*)>/g)].map(([, tag, text]) => {
            const attributes = Object.fromEntries([...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(a => [a[1], a[2] ?? ""]));
            const dataset = Object.fromEntries(Object.entries(attributes).filter(([k]) => k.startsWith("data-")).map(([k, v]) => [k.slice(5), v]));
            return { ...attributes, dataset, hidden: "hidden" in attributes, disabled: "disabled" in attributes, on: {}, focus() {}, select() {}, addEventListener(name, act) { this.on[name] = act; } };
        });
        const keep = new Map(Object.entries(JSON.parse(stored))), saved = [], on = {};
        const one = id => elements.find(e => e.id === id);
        vm.runInNewContext(page.match(/<script>([\s\S]*?)<\/script>/)[1], {
            crypto: require("crypto").webcrypto,
            scrollTo() {},
            addEventListener(name, act) { on[name] = act; },
            sessionStorage: { getItem: k => keep.get(k) ?? null, setItem: (k, v) => keep.set(k, v) },
            URL: { createObjectURL: blob => blob },
            Blob: class { constructor(parts) { this.text = parts.join(""); } },
            document: {
                querySelectorAll: selector => elements.filter(e => selector.slice(6, -1) in e.dataset),
                getElementById: one,
                createElement: () => ({ click() { saved.push({ name: this.download, text: this.href.text }); } }),
                execCommand: () => true,
            },
        });
        const asked = () => ({ about: elements.filter(e => e.dataset.about && !e.hidden).map(e => e.dataset.about), pair: elements.filter(e => e.dataset.pair && !e.hidden).map(e => e.dataset.pair) });
        const click = (id, detail = 1) => one(id).on.click({ detail });
        const press = (key, more) => on.keydown({ key, preventDefault() {}, ...more });
        const choose = (answer, detail = 1) => elements.find(e => e.dataset.answer === answer).on.click({ detail });
        const shown = () => ["start", "ask", "end"].filter(id => !one(id).hidden);

        """;

    readonly string folder = Directory.CreateTempSubdirectory("ilgd-tests-").FullName;

    [Fact]
    public void Clicks_and_keys_answer_every_question_once_and_what_is_saved_is_counted()
    {
        StudyCase study = new(pairs: 3);
        JsonNode run = Node(study, "{}", """
            const log = [shown()];
            click("begin"); log.push(shown(), asked());
            choose("left"); choose("right", 2);
            log.push(asked());
            press("ArrowRight"); press("ArrowRight", { repeat: true }); press("ArrowLeft", { altKey: true });
            log.push(asked());
            choose("undecided"); log.push(asked());
            click("back"); log.push(asked());
            press("0"); press("0"); press("ArrowLeft"); choose("right");
            log.push(shown());
            press("ArrowLeft"); click("save");
            console.log(JSON.stringify({ log, saved, kept: Object.fromEntries(keep) }));
            """);
        JsonObject Asked(string about, string pair) => new() { ["about"] = new JsonArray(about), ["pair"] = new JsonArray(pair) };
        JsonArray expected =
        [
            new JsonArray("start"), new JsonArray("ask"), Asked("identity", "01"), Asked("identity", "02"), Asked("identity", "03"), Asked("description", "01"), Asked("identity", "03"),
            new JsonArray("end"),
        ];
        Assert.Equal(expected.ToJsonString(), run["log"]!.ToJsonString());

        JsonNode saved = Assert.Single(run["saved"]!.AsArray())!;
        string path = Path.Combine(folder, (string)saved["name"]!);
        File.WriteAllText(path, (string)saved["text"]!);
        StudyAnswers answers = StudyAnswers.Load(path);
        Assert.Equal($"answers-{answers.Rater}.json", (string)saved["name"]!);
        Assert.Equal(
            [StudyChoice.Left, StudyChoice.Right, StudyChoice.Undecided, StudyChoice.Undecided, StudyChoice.Left, StudyChoice.Right], study.Key.Questions.Select(q => answers.Answers[q.Id]));
        Assert.Equal(1, StudyTally.Of(study.Key, [answers]).Raters);

        // A reload in the same tab goes on with the same rater.
        JsonObject half = new() { ["rater"] = "0badcafe", ["answers"] = new JsonObject { ["identity-01"] = "right" } };
        JsonNode resumed = Node(study, JsonSerializer.Serialize(new Dictionary<string, string> { [study.Key.Study] = half.ToJsonString() }), """
            console.log(JSON.stringify({ asked: asked(), name: one("name").textContent }));
            """);
        Assert.Equal(Asked("identity", "02").ToJsonString(), resumed["asked"]!.ToJsonString());
        Assert.Equal("answers-0badcafe.json", (string)resumed["name"]!);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    JsonNode Node(StudyCase study, string stored, string deeds)
    {
        string Place(string name, string text)
        {
            string path = Path.Combine(folder, name);
            File.WriteAllText(path, text);
            return path;
        }

        ProcessStartInfo start = new("node", [Place("run.js", Document + deeds), Place("study.html", study.Page), Place("stored.json", stored)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("node is not here to run the page's script");
        }

        using (process)
        {
            string output = process!.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, error);
            return JsonNode.Parse(output)!;
        }
    }
}
