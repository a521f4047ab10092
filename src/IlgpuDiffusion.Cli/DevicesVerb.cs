using System.CommandLine;
using System.Text.Json;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `ilgd devices`
sealed class DevicesVerb : Verb
{
    readonly Option<bool> json;

    public DevicesVerb()
        : base(
            "devices",
            "List the devices that --device knows, and what is behind them here.",
            """
            ilgd devices
            ilgd devices --json
            """) => json = Option<bool>("--json", "One JSON object a device.");

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        DeviceInfo[] devices = [.. Device.Names.Select(DeviceInfo.Of)];
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(json))
        {
            output.WriteLine(JsonSerializer.Serialize(devices, DeviceInfo.Json));
            return 0;
        }

        foreach (DeviceInfo device in devices)
            output.WriteLine($"{device.Name,-8}  {(device.Available ? "here" : "no"),-4}  {device.Description}");
        return 0;
    }

    /// What opening a device shows.
    sealed record DeviceInfo(string Name, bool Available, string Description)
    {
        public static JsonSerializerOptions Json { get; } = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

        public static DeviceInfo Of(string name)
        {
            try
            {
                using Device device = Device.Open(name);
                return new DeviceInfo(name, true, name switch
                {
                    "cpu" => $"threads: {Environment.ProcessorCount}",
                    "cpu-sim" => "ILGPU's simulator of a GPU: for tests",
                    "ptx-sim" => "an interpreter of the PTX that a GPU would get: for tests",
                    _ => $"{device.Accelerator.Name}, {device.Accelerator.MemorySize / (1 << 20)} MiB",
                });
            }
            catch (Exception e)
            {
                // A driver can fail to load in any way; for a list that means: not here.
                return new DeviceInfo(name, false, e.Message.Split('\n')[0]);
            }
        }
    }
}
