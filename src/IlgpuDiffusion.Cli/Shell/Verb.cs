using System.CommandLine;
using System.Globalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli.Shell;

/// A verb: options, and one call into the library. `examples` are shown below its help, one command a line.
abstract class Verb : Command
{
    protected Verb(string name, string description, string examples)
        : base(name, description)
    {
        Examples = examples;
        // The work runs beside the thread that waits for Ctrl-C.
        SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation), CancellationToken.None));
    }

    public string Examples { get; }

    /// Who is told what the verb's device does; null where nobody looks. Set before the verb runs.
    public IDeviceObserver? Observer { get; set; }

    /// Returns the exit code.
    protected abstract int Run(ParseResult parsed, CancellationToken cancellation);

    /// An option of this verb that must lie between two numbers, if it is given.
    public Option<T> Number<T>(string name, string description, T low, T high, T? standard = null)
        where T : struct, IComparable<T>, IParsable<T>
    {
        Option<T> option = Option<T>(name, description);
        option.HelpName = "N";
        if (standard is { } value)
            option.DefaultValueFactory = _ => value;
        option.Validators.Add(result =>
        {
            // What is no number at all is told by the parser.
            if (result.Tokens.Count == 1 && T.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out T given)
                && (given.CompareTo(low) < 0 || given.CompareTo(high) > 0))
                result.AddError($"{name} is {given}; expected {low} to {high}.");
        });
        return option;
    }

    /// What was given on the command line, or else another value than the option's default.
    protected static T Given<T>(ParseResult parsed, Option<T> option, T otherwise) =>
        parsed.GetResult(option) is { Implicit: false } ? parsed.GetRequiredValue(option) : otherwise;

    public Option<T> Option<T>(string name, string description, string? helpName = null)
    {
        Option<T> option = new(name) { Description = description, HelpName = helpName };
        Add(option);
        return option;
    }

    protected Argument<string> Argument(string name, string description)
    {
        Argument<string> argument = new(name) { Description = description };
        Add(argument);
        return argument;
    }
}
