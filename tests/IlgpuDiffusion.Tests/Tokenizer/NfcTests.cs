using IlgpuDiffusion.Tokenizer;

namespace IlgpuDiffusion.Tests.Tokenizer;

/// Cases after UAX #15 and its conformance test file.
public sealed class NfcTests
{
    [Theory]
    [InlineData("cafe\u0301", "caf\u00E9")]
    [InlineData("\u212B", "\u00C5")] // Angstrom sign: a singleton, it does not come back
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323")] // a mark below may not pass into a letter with a dot above
    [InlineData("s\u0323\u0307", "\u1E69")] // two steps of composition
    [InlineData("s\u0307\u0323", "\u1E69")] // the same marks in the other order
    [InlineData("\u0958", "\u0915\u093C")] // excluded from composition
    [InlineData("\u0344", "\u0308\u0301")] // a mark that is two marks
    [InlineData("\u1112\u1161\u11AB", "\uD55C")] // Hangul LVT
    [InlineData("\uD558\u11AB", "\uD55C")] // Hangul LV + T
    [InlineData("\u0041\u0327\u030A", "\u00C5\u0327")] // the ring jumps over the cedilla: another class
    [InlineData("\u0041\u030A\u030A", "\u00C5\u030A")] // the second ring is blocked by nothing but finds no pair
    [InlineData("a\u0300\u05AE\u0315b", "\u00E0\u05AE\u0315b")]
    [InlineData("\u0301a", "\u0301a")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("", "")]
    public void Text_comes_out_composed_and_stays_so(string text, string expected)
    {
        Assert.Equal(expected, Nfc.Normalize(text));
        Assert.Equal(expected, Nfc.Normalize(expected));
    }
}
