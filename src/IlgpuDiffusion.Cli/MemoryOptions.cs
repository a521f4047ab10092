using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.Cli;

/// `--memory-budget`
sealed class MemoryOptions
{
    static readonly (string Suffix, long Factor)[] Units =
        [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("K", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("", 1)];

    readonly Option<long?> budget;

    public MemoryOptions(Verb verb)
    {
        budget = verb.Option<long?>("--memory-budget", "Keep the whole program within this memory, at the cost of time; the plan that is printed first says how.", "8G");
        budget.CustomParser = Parse;
    }

    /// Bytes.
    public long? Budget(ParseResult parsed) => parsed.GetValue(budget);

    // 8G, 7.5GB, 8000M, 8GiB, or bytes.
    static long? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        (string suffix, long factor) = Units.First(unit => text.EndsWith(unit.Suffix, StringComparison.OrdinalIgnoreCase));
        if (double.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number * factor is >= 1 and < 1e18)
            return (long)(number * factor);
        argument.AddError($"--memory-budget is {text}; expected a size such as 8G or 7500M.");
        return null;
    }
}
