using System.CommandLine;
using System.CommandLine.Invocation;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `ilgd profile -- VERB …`
sealed class ProfileVerb : Verb
{
    readonly Option<int> steps;
    readonly Option<string> outFolder;
    readonly Argument<string[]> command;

    public ProfileVerb()
        : base(
            "profile",
            "Run another verb and say where its device's time and memory went: a table, profile.json, a roofline and the memory as pictures, and trace.json for ui.perfetto.dev.",
            """
            ilgd profile -- generate --prompt "a face" --steps 4
            ilgd profile --steps 20 --out profile -- personalize PHOTO --method lora
            """)
    {
        steps = Number("--steps", "End the verb, as Ctrl-C does, after so many steps: training steps, denoising steps, encodings. [default: run it to its end]", 1, int.MaxValue);
        outFolder = Option<string>("--out", "Folder for the files.", "DIR");
        outFolder.DefaultValueFactory = _ => "profile";
        command = new Argument<string[]>("VERB") { Description = "The verb and its options, after --.", Arity = ArgumentArity.OneOrMore };
        Add(command);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Profiler profiler = new(parsed.GetResult(steps) is null ? int.MaxValue : parsed.GetRequiredValue(steps), stop.Cancel);
        int code = Observed(parsed.GetRequiredValue(command), profiler, parsed.InvocationConfiguration, stop.Token);
        if (profiler.Observed is not { } device || profiler.Launches.Count == 0)
            throw new IlgdException("the verb launched nothing on a device, so there is nothing to profile");
        using Device fresh = Device.Open(device.Name, device.Threads, device.Conv);
        Profile profile = new(profiler, MachineRoof.Measure(fresh));
        profile.Write(parsed.GetRequiredValue(outFolder));
        parsed.InvocationConfiguration.Output.Write(profile.Table());
        return code;
    }

    static int Observed(string[] command, Profiler profiler, InvocationConfiguration outer, CancellationToken stop)
    {
        ParseResult inner = Ilgd.Root(profiler).Parse(command);
        if (inner.CommandResult.Command is not Verb verb || verb is ProfileVerb)
            throw new IlgdException($"'{string.Join(' ', command)}' names no verb that can be profiled");
        if (inner.Errors.Count > 0)
            throw new IlgdException(inner.Errors[0].Message);
        try
        {
            return inner.InvokeAsync(new InvocationConfiguration { Output = outer.Output, Error = outer.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (profiler.Stopped)
        {
            return 0;
        }
    }
}
