using System.CommandLine.Parsing;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// `X,Y,SIZE` as a crop box.
static class CropText
{
    public static CropBox? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        int[] numbers = [.. text.Split(',').Select(part => int.TryParse(part, out int value) && value >= 0 ? value : -1)];
        if (numbers.Length == 3 && !numbers.Contains(-1))
            return new CropBox(numbers[0], numbers[1], numbers[2]);
        argument.AddError($"--crop '{text}' is no square; expected X,Y,SIZE in pixels, like 120,80,400.");
        return null;
    }
}
