using BenchmarkDotNet.Attributes;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Host;

/// What it costs to start work, with next to no work to do.
[MemoryDiagnoser]
public class LaunchBench : IDisposable
{
    const int ChainLength = 100;
    const int Tasks = 16;

    readonly Device device = Device.Open("cpu");
    readonly Arena inputs;
    readonly Arena step;
    readonly Tensor x;

    public LaunchBench()
    {
        inputs = new Arena(device);
        step = new Arena(device);
        x = inputs.New([16]);
        x.CopyFrom(new float[16]);
    }

    /// Hands 16 empty tasks to the pool and waits.
    [Benchmark]
    public void PoolLoop() => device.Kernels.Cpu!.For(Tasks, _ => { });

    /// One op of 16 elements: shape, arena, kernel.
    [Benchmark]
    public void SmallOp()
    {
        Ops.Add.Forward(new Tape(step, recording: false), x, x);
        step.Reset();
    }

    /// What a launcher pays to say what it does while nobody looks.
    [Benchmark(OperationsPerInvoke = ChainLength)]
    public void ScopeUnobserved()
    {
        for (int i = 0; i < ChainLength; i++)
        {
            using LaunchScope launch = device.Kernels.Scope("Add.Forward", x.Count, Work.Of(x.Count, 3 * x.Count));
        }
    }

    /// A chain of 100 small ops, recorded and run backwards.
    [Benchmark(OperationsPerInvoke = ChainLength)]
    public void TapeForwardBackward()
    {
        Tape tape = new(step);
        Tensor start = x.As(x.Shape), y = start;
        start.RequiresGrad = true;
        for (int i = 0; i < ChainLength; i++)
            y = Ops.Add.Forward(tape, y, start);
        tape.Backward(y, x);
        step.Reset();
    }

    [Benchmark(OperationsPerInvoke = ChainLength)]
    public void ArenaTake()
    {
        for (int i = 0; i < ChainLength; i++)
            step.New([64, 64]);
        step.Reset();
    }

    [GlobalCleanup]
    public void Dispose()
    {
        step.Dispose();
        inputs.Dispose();
        device.Dispose();
    }
}
