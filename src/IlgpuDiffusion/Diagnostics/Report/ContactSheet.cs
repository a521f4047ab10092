using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Diagnostics.Report;

/// Equally sized pictures in one grid, a caption under each.
public static class ContactSheet
{
    const int MaxLines = 3;
    const byte Paper = 250, Ink = 40;

    /// Pictures in reading order, all of the first one's size. Labels are wrapped to the picture's width, at most three lines.
    public static RgbImage Make(IReadOnlyList<RgbImage> images, int columns, IReadOnlyList<string>? labels = null)
    {
        Check(images, columns, labels);
        (int width, int height) = (images[0].Width, images[0].Height);
        int scale = Math.Max(1, width / 160);
        int margin = Math.Max(4, width / 32);
        int lineHeight = (PixelFont.Height + 2) * scale;
        string[][] captions = [.. images.Select((_, i) => labels is null ? [] : Wrap(labels[i], Math.Max(1, width / (PixelFont.Advance * scale))))];
        int captionHeight = captions.Max(c => c.Length) is var lines and > 0 ? lines * lineHeight + margin / 2 : 0;

        columns = Math.Min(columns, images.Count);
        int rows = (images.Count + columns - 1) / columns;
        int cellWidth = width + margin, cellHeight = height + captionHeight + margin;
        RgbImage sheet = new(columns * cellWidth + margin, rows * cellHeight + margin);
        Array.Fill(sheet.Pixels, Paper);

        for (int i = 0; i < images.Count; i++)
        {
            int left = margin + i % columns * cellWidth, top = margin + i / columns * cellHeight;
            for (int y = 0; y < height; y++)
                images[i].Pixels.AsSpan(3 * y * width, 3 * width).CopyTo(sheet.Pixels.AsSpan(3 * ((top + y) * sheet.Width + left)));
            for (int line = 0; line < captions[i].Length; line++)
                Draw(sheet, left, top + height + margin / 2 + line * lineHeight, scale, captions[i][line]);
        }
        return sheet;
    }

    static void Check(IReadOnlyList<RgbImage> images, int columns, IReadOnlyList<string>? labels)
    {
        if (images.Count == 0 || columns < 1)
            throw new IlgdException($"contact sheet: {images.Count} images in {columns} columns; give at least one of each");
        if (labels is not null && labels.Count != images.Count)
            throw new IlgdException($"contact sheet: {labels.Count} labels for {images.Count} images; give one each");
        for (int i = 0; i < images.Count; i++)
        {
            if (images[i].Width != images[0].Width || images[i].Height != images[0].Height)
                throw new IlgdException($"contact sheet: image {i} is {images[i].Width} x {images[i].Height}, "
                    + $"image 0 is {images[0].Width} x {images[0].Height}; resize them to one size");
        }
    }

    static void Draw(RgbImage sheet, int left, int top, int scale, string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            for (int y = 0; y < PixelFont.Height * scale; y++)
            {
                for (int x = 0; x < PixelFont.Width * scale; x++)
                {
                    int pixel = (top + y) * sheet.Width + left + i * PixelFont.Advance * scale + x;
                    if (PixelFont.Ink(text[i], x / scale, y / scale))
                        sheet.Pixels.AsSpan(3 * pixel, 3).Fill(Ink);
                }
            }
        }
    }

    // Greedy; a word longer than a line is broken, what does not fit three lines ends in dots.
    static string[] Wrap(string text, int perLine)
    {
        List<string> lines = [];
        string rest = text.Trim();
        while (rest.Length > 0)
        {
            if (rest.Length <= perLine)
            {
                lines.Add(rest);
                break;
            }
            int space = rest.LastIndexOf(' ', perLine);
            int cut = space > 0 ? space : perLine;
            lines.Add(rest[..cut]);
            rest = rest[cut..].TrimStart();
        }
        if (lines.Count <= MaxLines)
            return [.. lines];
        string last = lines[MaxLines - 1];
        lines[MaxLines - 1] = last[..Math.Min(last.Length, Math.Max(0, perLine - 2))] + "..";
        return [.. lines.Take(MaxLines)];
    }
}
