namespace IlgpuDiffusion.Tests.Cli;

/// A program run in this process, with what it printed.
public sealed record Captured(int Code, string Output, string Error)
{
    public static Captured Ilgd(params string[] args) => Run(IlgpuDiffusion.Cli.Ilgd.Run, args);

    public static Captured WeightsTools(params string[] args) => Run(IlgpuDiffusion.WeightsTools.Tools.Run, args);

    /// The one line of an error; fails if there is more.
    public string OneLine() => Assert.Single(Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    static Captured Run(Func<string[], TextWriter, TextWriter, int> main, string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = main(args, output, error);
        return new Captured(code, output.ToString(), error.ToString());
    }
}
