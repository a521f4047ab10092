namespace IlgpuDiffusion.Diagnostics.Report;

/// Equally sized pictures in one grid, a caption under each.
public static class ContactSheet
{
    const int MaxLines = 3;
    const byte Paper = 250, Ink = 40;

    /// `images`: RGB bytes (height, width, 3) each, in reading order. Labels are wrapped to the picture's width, at most three lines.
    /// Returns the sheet's RGB bytes and size.
    public static (byte[] Rgb, int Width, int Height) Make(
        IReadOnlyList<byte[]> images, int width, int height, int columns, IReadOnlyList<string>? labels = null)
    {
        Check(images, width, height, columns, labels);
        int scale = Math.Max(1, width / 160);
        int margin = Math.Max(4, width / 32);
        int lineHeight = (PixelFont.Height + 2) * scale;
        string[][] captions = [.. images.Select((_, i) => labels is null ? [] : Wrap(labels[i], Math.Max(1, width / (PixelFont.Advance * scale))))];
        int captionHeight = captions.Max(c => c.Length) is var lines and > 0 ? lines * lineHeight + margin / 2 : 0;

        columns = Math.Min(columns, images.Count);
        int rows = (images.Count + columns - 1) / columns;
        int cellWidth = width + margin, cellHeight = height + captionHeight + margin;
        int sheetWidth = columns * cellWidth + margin;
        int sheetHeight = rows * cellHeight + margin;
        var sheet = new byte[checked(3 * sheetWidth * sheetHeight)];
        Array.Fill(sheet, Paper);

        for (int i = 0; i < images.Count; i++)
        {
            int left = margin + i % columns * cellWidth, top = margin + i / columns * cellHeight;
            for (int y = 0; y < height; y++)
                images[i].AsSpan(3 * y * width, 3 * width).CopyTo(sheet.AsSpan(3 * ((top + y) * sheetWidth + left)));
            for (int line = 0; line < captions[i].Length; line++)
                Draw(sheet, sheetWidth, left, top + height + margin / 2 + line * lineHeight, scale, captions[i][line]);
        }
        return (sheet, sheetWidth, sheetHeight);
    }

    static void Check(IReadOnlyList<byte[]> images, int width, int height, int columns, IReadOnlyList<string>? labels)
    {
        if (images.Count == 0 || columns < 1)
            throw new IlgdException($"contact sheet: {images.Count} images in {columns} columns; give at least one of each");
        if (labels is not null && labels.Count != images.Count)
            throw new IlgdException($"contact sheet: {labels.Count} labels for {images.Count} images; give one each");
        for (int i = 0; i < images.Count; i++)
        {
            if (images[i].Length != 3L * width * height)
                throw new IlgdException($"contact sheet: image {i} has {images[i].Length} bytes, {width} x {height} RGB needs {3L * width * height}");
        }
    }

    static void Draw(byte[] sheet, int sheetWidth, int left, int top, int scale, string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            for (int y = 0; y < PixelFont.Height * scale; y++)
            {
                for (int x = 0; x < PixelFont.Width * scale; x++)
                {
                    int pixel = (top + y) * sheetWidth + left + i * PixelFont.Advance * scale + x;
                    if (PixelFont.Ink(text[i], x / scale, y / scale))
                        sheet.AsSpan(3 * pixel, 3).Fill(Ink);
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
