using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Training;

public class TrainingRunTests(Devices devices) : DeviceTest(devices)
{
    static readonly TrainingPlan Plan = new("net", "{}", Steps: 12, WarmupSteps: 2) { SaveEvery = 2, ReportEvery = 3, MilestoneEvery = 4 };

    [Fact]
    public void A_run_that_is_cut_off_goes_on_to_the_same_bits_and_metrics()
    {
        string whole = Directory.CreateTempSubdirectory("ilgd-run-").FullName, cut = Directory.CreateTempSubdirectory("ilgd-run-").FullName;
        float[] expected = Train(whole, stopAt: null)!;
        Assert.Null(Train(cut, stopAt: 7));
        Assert.Equal(expected, Train(cut, stopAt: null));
        Assert.Equal(Lines(whole), Lines(cut));
        Assert.Equal(["3", "4", "6", "8", "9", "12"], Lines(whole).Select(line => line.Split(',')[0].Split(':')[1]));
        Directory.Delete(whole, recursive: true);
        Directory.Delete(cut, recursive: true);

        // Without the time.
        static string[] Lines(string folder) => [.. File.ReadAllLines(Path.Combine(folder, "net.metrics.jsonl")).Select(line =>
            string.Join(',', line.Split(',').Where((part, i) => i != 1)))];
    }

    // Returns the weights, or null when the run was stopped.
    float[]? Train(string folder, long? stopAt)
    {
        Arena arena = Arena("cpu");
        using Weights weights = new();
        Linear linear = new(weights.Root.Scope("linear"), 3, 3);
        weights.Allocate(arena.Device, "net");
        weights.Initialize(1);
        using AdamW optimizer = new(weights, new AdamWSettings());
        using CancellationTokenSource source = new();
        try
        {
            // The reported mean spans steps 7 to 9, of which a run resumed at 6 sees all.
            new TrainingRun(folder, TextWriter.Null, interactive: false, source.Token).Train(
                Plan,
                [new Trainee("net", optimizer)],
                arena,
                Loss,
                step => [("half", step / 2.0)],
                () => [("part", 1)]);
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        return weights.Values.ToArray();

        Tensor Loss(Tape tape, long step)
        {
            if (step + 1 == stopAt)
                source.Cancel();
            Tensor y = linear.Forward(tape, tape.From(GradCheck.Values(6, (int)step), [2, 3]));
            return Ops.Mse.Forward(tape, y, tape.From(GradCheck.Values(6, 100 + (int)step), [2, 3]));
        }
    }
}
