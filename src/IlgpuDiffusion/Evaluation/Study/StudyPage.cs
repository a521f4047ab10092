using System.Security.Cryptography;
using System.Text;
using IlgpuDiffusion.Diagnostics.Report;

namespace IlgpuDiffusion.Evaluation;

/// All that the page shows of one pair; PNG files. It does not know the methods, so the page cannot tell.
sealed record ShownPair(byte[] Photo, string Prompt, byte[] Left, byte[] Right);

/// `study.html`: one self-contained page that asks one question at a time, by mouse, finger or keyboard, and saves the answers as a file. Nothing is fetched or sent; the
/// one script that its policy lets run is its own.
static class StudyPage
{
    public const string FileName = "study.html";

    const int SmallestPhoto = 160, SmallestPicture = 256, Largest = 344, IdLength = 16;

    static readonly string Script = Resource("study.js"), Style = Resource("study.css");

    /// Of everything that is shown, in its order: other pictures, other sides or other questions are another study.
    public static string IdOf(IReadOnlyList<ShownPair> pairs)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string[] questions = [.. Enum.GetValues<StudyCriterion>().Select(StudyQuestion.Text)];
        foreach (byte[] part in pairs.SelectMany(p => new[] { p.Photo, Encoding.UTF8.GetBytes(p.Prompt), p.Left, p.Right }).Concat(questions.Select(Encoding.UTF8.GetBytes)))
        {
            hash.AppendData(BitConverter.GetBytes(part.Length));
            hash.AppendData(part);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..IdLength];
    }

    /// The page's text.
    public static string Build(IReadOnlyList<ShownPair> pairs)
    {
        StudyCriterion[] criteria = Enum.GetValues<StudyCriterion>();
        StringBuilder html = new();
        HtmlReport.AppendHead(html, "Which picture?", Style, Script);
        html.Append($"""
            <div id="study" data-study="{IdOf(pairs)}">
            <noscript><p>This page asks its questions by a small script of its own; let it run.</p></noscript>
            <section id="start">
            <h1>Which picture?</h1>
            <p class="lead">Two programs have seen one photo of a person and have drawn that person. You will see {pairs.Count} pairs of pictures, and of every pair you are asked two
            things: first, for all of them, which picture is more like the person; then which one follows a short description better.</p>
            <p>Go by your first impression. Nothing is sent anywhere: at the end you save a file with your answers and hand it back.</p>
            <p class="row"><button id="begin" class="do" disabled>Begin</button></p>
            </section>
            <section id="ask" hidden>
            <progress id="bar" max="{criteria.Length * pairs.Count}" aria-label="answered"></progress>
            <small id="count"></small>

            """);
        foreach (StudyCriterion about in criteria)
            html.Append($"<h1 data-about=\"{StudyQuestion.NameOf(about)}\" tabindex=\"-1\" hidden>{StudyQuestion.Text(about)}</h1>\n");
        foreach ((int i, ShownPair pair) in pairs.Index())
            AppendPair(html, StudyQuestion.NumberOf(i + 1), pair);
        html.Append($"""
            <p class="row"><button data-answer="undecided">Cannot tell</button> <button id="back">Back</button></p>
            <p class="keys"><small>Keys: ← the left one, → the right one, 0 cannot tell.</small></p>
            </section>
            <section id="end" hidden>
            <h1 id="thanks" tabindex="-1">Thank you. Those were all.</h1>
            <p class="lead">Save the file and hand it back to whoever gave you this page.</p>
            <p class="row"><button id="save" class="do">Save <span id="name"></span></button> <button id="copy">Copy instead</button> <small id="copied" role="status" hidden>Copied.</small>
            <button id="again">Back</button></p>
            <textarea id="answers" readonly aria-label="your answers"></textarea>
            </section>
            </div>
            <script>{Script}</script>

            """);
        return html.Append(HtmlReport.Foot).ToString();
    }

    static void AppendPair(StringBuilder html, string number, ShownPair pair)
    {
        string Choice(string side, byte[] png) =>
            $"<button data-answer=\"{side}\">{HtmlReport.Image(png, $"the {side} picture", SmallestPicture, Largest)}{char.ToUpperInvariant(side[0])}{side[1..]}</button>";
        html.Append($"""
            <section data-pair="{number}" hidden>
            <figure class="photo">{HtmlReport.Image(pair.Photo, "the photo", SmallestPhoto, Largest)}<figcaption>the person</figcaption></figure>
            <p class="asked"><small>The description:</small> {HtmlReport.Escape(pair.Prompt)}</p>
            <div class="choices">{Choice("left", pair.Left)}{Choice("right", pair.Right)}</div>
            </section>

            """);
    }

    // A browser reads every line end as one feed, and the script's hash must be of what it reads.
    static string Resource(string name)
    {
        using StreamReader reader = new(typeof(StudyPage).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
