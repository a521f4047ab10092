using System.Globalization;
using System.Text;

namespace IlgpuDiffusion.Tokenizer;

/// Unicode normalisation form C (UAX #15): decompose, order the marks, compose. Our own because the program runs without ICU
/// (InvariantGlobalization), where string.Normalize leaves everything beyond ASCII as it is.
static class Nfc
{
    // Hangul syllables S = L V T, computed as in chapter 3.12 of the standard.
    const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7;
    const int LCount = 19, VCount = 21, TCount = 28;
    const int SCount = LCount * VCount * TCount;

    static readonly Dictionary<int, int[]> Decompositions = [];
    static readonly Dictionary<(int, int), int> Compositions = [];
    static readonly Dictionary<int, int> Classes = [];

    static Nfc()
    {
        using StreamReader reader = new(typeof(Nfc).Assembly.GetManifestResourceStream("Nfc.txt")!);
        while (reader.ReadLine() is string line)
        {
            if (line[0] == ':')
                AddClass(line);
            else if (line[0] != '#')
                AddDecomposition(line);
        }
    }

    public static string Normalize(string text)
    {
        if (Ascii.IsValid(text))
            return text;
        List<int> codePoints = [];
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(rune.Value, codePoints);
        Order(codePoints);
        Compose(codePoints);
        StringBuilder composed = new(codePoints.Count);
        foreach (int c in codePoints)
            composed.Append(char.ConvertFromUtf32(c));
        return composed.ToString();
    }

    static void Decompose(int c, List<int> destination)
    {
        int s = c - SBase;
        if (s is >= 0 and < SCount)
        {
            destination.Add(LBase + s / (VCount * TCount));
            destination.Add(VBase + s % (VCount * TCount) / TCount);
            if (s % TCount != 0)
                destination.Add(TBase + s % TCount);
        }
        else if (Decompositions.TryGetValue(c, out int[]? parts))
        {
            foreach (int part in parts)
                Decompose(part, destination);
        }
        else
        {
            destination.Add(c);
        }
    }

    /// Sorts every run of marks (class > 0) by class; equal classes keep their order.
    static void Order(List<int> text)
    {
        for (int start = 0; start < text.Count; start++)
        {
            int end = start;
            while (end < text.Count && Class(text[end]) != 0)
                end++;
            if (end - start < 2)
                continue;
            int[] sorted = [.. text[start..end].OrderBy(Class)];
            for (int i = start; i < end; i++)
                text[i] = sorted[i - start];
            start = end;
        }
    }

    /// Joins each character to the last starter, unless a mark of the same or a higher class stands between.
    static void Compose(List<int> text)
    {
        int starter = -1;
        int lastClass = -1;
        int length = 0;
        for (int i = 0; i < text.Count; i++)
        {
            int c = text[i];
            int rank = Class(c);
            if (starter >= 0 && lastClass < rank && TryCompose(text[starter], c, out int composed))
            {
                text[starter] = composed;
                continue;
            }

            if (rank == 0)
                (starter, lastClass) = (length, -1);
            else
                lastClass = rank;
            text[length++] = c;
        }

        text.RemoveRange(length, text.Count - length);
    }

    static bool TryCompose(int a, int b, out int composed)
    {
        int l = a - LBase, v = b - VBase, s = a - SBase, t = b - TBase;
        if (l is >= 0 and < LCount && v is >= 0 and < VCount)
        {
            composed = SBase + (l * VCount + v) * TCount;
            return true;
        }

        if (s is >= 0 and < SCount && s % TCount == 0 && t is > 0 and < TCount)
        {
            composed = a + t;
            return true;
        }

        return Compositions.TryGetValue((a, b), out composed);
    }

    static int Class(int c) => c < 0x300 ? 0 : Classes.GetValueOrDefault(c);

    static void AddDecomposition(string line)
    {
        bool composes = line[0] != '!';
        int equals = line.IndexOf('=');
        int c = Hex(line[(composes ? 0 : 1)..equals]);
        int[] parts = [.. line[(equals + 1)..].Split(' ').Select(Hex)];
        Decompositions.Add(c, parts);
        if (composes)
            Compositions.Add((parts[0], parts[1]), c);
    }

    static void AddClass(string line)
    {
        string[] fields = line[1..].Split(' ');
        foreach (string range in fields[1..])
        {
            string[] ends = range.Split('-');
            for (int c = Hex(ends[0]); c <= Hex(ends[^1]); c++)
                Classes.Add(c, int.Parse(fields[0], CultureInfo.InvariantCulture));
        }
    }

    static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
