using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace IlgpuDiffusion.Cli.Shell;

/// What all our programs do alike: parse, run, and turn every way to end into one line and an exit code.
static class CommandShell
{
    const int Failed = 1, WrongUsage = 2, Interrupted = 130;

    // Time to take back half-written files after Ctrl-C, before the process ends anyway.
    static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    public static int Run(string program, RootCommand root, string[] args, TextWriter output, TextWriter error)
    {
        Option<bool> verbose = new("--verbose") { Description = "Show the stack trace of an error.", Recursive = true };
        root.Add(verbose);
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
            help.Action = new HelpWithExamples((HelpAction)help.Action!);
        ParseResult parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction)
        {
            error.WriteLine($"{program}: {OneLine(parsed.Errors[0].Message)} See: {program}{Path(parsed.CommandResult.Command)} --help");
            return WrongUsage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = Grace,
            });
        }
        catch (OperationCanceledException)
        {
            error.WriteLine($"{program}: interrupted");
            return Interrupted;
        }
        catch (Exception e)
        {
            // IlgdException says what to do; a file system's message names its file; anything else is a bug of ours and is called so.
            string line = e is IlgdException or IOException or UnauthorizedAccessException ? e.Message : $"internal error, please report it: {e.GetType().Name}: {e.Message}";
            error.WriteLine($"{program}: {(parsed.GetValue(verbose) ? e.ToString() : OneLine(line))}");
            return Failed;
        }
    }

    static string Path(Command command) =>
        command is RootCommand ? "" : $"{(command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? Path(parent) : "")} {command.Name}";

    static string OneLine(string text) => string.Join(' ', text.Split((char[])['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = inner.Invoke(parseResult);
            if (parseResult.CommandResult.Command is Verb verb)
                parseResult.InvocationConfiguration.Output.WriteLine($"Examples:\n{string.Join('\n', verb.Examples.Split('\n').Select(line => $"  {line}"))}\n");
            return code;
        }
    }
}
