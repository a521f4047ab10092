namespace IlgpuDiffusion.Evaluation;

/// One number that is measured of a person's pictures. `Judge`: which network it needs   `Meaning`: one sentence
public sealed record Measure(string Name, string Title, string Judge, bool HigherIsBetter, string Meaning)
{
    public static Measure FaceRec { get; } = new("face_rec", "Face rec.", "face", true, "cosine of face embeddings, picture and photo, over all prompts");

    public static Measure Dino { get; } = new("dino", "DINO", "dino", true, "cosine of the DINO-like encoder's embeddings, picture and photo, over all prompts");

    public static Measure ClipI { get; } = new("clip_i", "CLIP-I", "clip", true, "cosine of the CLIP-like pair's picture embeddings, picture and photo, over all prompts");

    public static Measure ClipT { get; } = new("clip_t", "CLIP-T", "clip", true, "cosine of the CLIP-like pair's embeddings, picture and prompt without [V]");

    public static Measure PromptOk { get; } =
        new("prompt_ok", "Prompt ok", "clip", true, "share of pictures for which the CLIP-like pair finds everything that the prompt asks for, each among its alternatives");

    public static Measure Truth { get; } =
        new("truth", "Truth, face", "face", true, "cosine of face embeddings, picture and the true picture of this person in that context, where there is one");

    public static Measure TruthDino { get; } = new("truth_dino", "Truth, DINO", "dino", true, "the same by the DINO-like encoder, which sees style and surroundings too");

    public static Measure Retrieval { get; } =
        new("retrieval", "Retrieval", "face", true, "share of plain pictures whose nearest photo among all people's, by face embedding, is the right one");

    public static Measure Pres { get; } =
        new("pres", "PRES", "dino", false, "cosine of the DINO-like encoder's embeddings, the finetuned model's pictures of the class and the photo: does everybody look like this person now?");

    public static Measure Div { get; } =
        new("div", "DIV", "dino", true, "mean distance, 1 − cosine of the DINO-like encoder's embeddings, between two plain pictures (LPIPS in the paper, which is not at hand)");

    public static IReadOnlyList<Measure> All { get; } = [FaceRec, Dino, ClipI, ClipT, PromptOk, Truth, TruthDino, Retrieval, Pres, Div];
}
