namespace IlgpuDiffusion.Personalization;

/// How prompts speak of a person: `[V]` in a prompt is replaced by a rare word that is one token and that the base model never saw.
public sealed record Subject(string Identifier = "sks", string ClassNoun = "face")
{
    public const string Placeholder = "[V]";

    /// "a sks face": what the photo is trained under.
    public string InstancePrompt => $"a {Identifier} {ClassNoun}";

    /// "a face": what prior preservation is trained under.
    public string ClassPrompt => $"a {ClassNoun}";

    public string Fill(string prompt) => prompt.Replace(Placeholder, Identifier, StringComparison.OrdinalIgnoreCase);

    public bool IsIn(string prompt) => Fill(prompt).Split(' ').Contains(Identifier);

    /// The prompt without the identifier: what it says to a model that does not know the person.
    public string Without(string prompt) => string.Join(' ', Fill(prompt).Split(' ').Where(word => word != Identifier));
}
