using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Kernels.Trials;

/// How far a result was from its reference: the largest |actual − expected|, and what is allowed.
public readonly record struct TrialError(double Error, double Bound)
{
    public bool Passed => Error <= Bound;
}

/// One run of an operation by itself: its random numbers, the memory that they are in, the launch and the reference. Numbers are standard normal, the same for the same sizes.
public sealed class Trial : IDisposable
{
    /// Half the distance from 1 to the next F32 below: what a rounding costs.
    public const double Unit = 1.0 / (1 << 24);

    /// A handful of roundings and approximate functions: an exponential on a GPU is right to two units for each unit of its argument, and ours stay below eight.
    public const double Function = 32 * Unit;

    /// A result that is copied, compared or rounded once.
    public const double Exact = Unit;

    // Tensors start at multiples of this many bytes, as in the engine.
    const int Alignment = 64;

    readonly IReadOnlyDictionary<string, int> sizes;
    readonly Random random = new(1);
    readonly List<MemoryBuffer> memory = [];
    readonly List<(Floats Of, float[] Start, double Bound)> results = [];
    readonly Action launch;
    Action? registered;
    Action? reference;

    /// Errors: <see cref="ArgumentException"/> where the sizes do not fit the operation.
    public Trial(TrialEntry entry, KernelContext kernels, IReadOnlyDictionary<string, int> sizes)
    {
        Kernels = kernels;
        this.sizes = sizes;
        entry.Method.CreateDelegate<Action<Trial>>()(this);
        launch = registered ?? throw new InvalidOperationException($"{entry.Method.Name} of {entry.Name} registers no launch");
    }

    public KernelContext Kernels { get; }

    /// A size by its name.
    public int this[string size] => sizes[size];

    /// A sum of `terms` products of numbers of random sign: each addition costs a rounding of its partial sum, roundings have random signs and the largest result is several times a partial sum.
    /// Checked far above what is measured, far below what a missing term would cost.
    public static double SumOf(long terms) => Unit * 4 * (2 + Math.Sqrt(terms));

    /// Standard normal numbers.
    public Floats Normal(long count)
    {
        float[] host = Numbers(count);
        return new Floats(host, Copied(host));
    }

    /// Numbers in (0.5, 1.5): variances, weights of a mean.
    public Floats Positive(long count)
    {
        float[] host = Uniform(count);
        return new Floats(host, Copied(host));
    }

    /// Standard normal numbers rounded to bf16.
    public Halves Halves(long count)
    {
        float[] host = Array.ConvertAll(Numbers(count), Trials.Halves.Exact);
        return new Halves(host, Copied(Array.ConvertAll(host, Bf16.Round)));
    }

    /// Whole numbers from 0 to below `end`.
    public Ints Below(int end, long count)
    {
        int[] host = new int[count];
        for (long i = 0; i < count; i++)
            host[i] = random.Next(end);
        return Ints(host);
    }

    public Ints Ints(int[] host) => new(host, Copied(host));

    /// What the launch writes and the reference is compared with, right to `bound` of the largest expected number.
    public Floats Result(long count, double bound) => Checked(new float[count], bound, written: false);

    /// The same for what the launch adds to or changes: random numbers to start with.
    public Floats Changed(long count, double bound) => Checked(Numbers(count), bound, written: true);

    /// The same with numbers in (0.5, 1.5) to start with.
    public Floats ChangedPositive(long count, double bound) => Checked(Uniform(count), bound, written: true);

    /// Memory that the launch may use, and results that nobody checks.
    public Floats Scratch(long count)
    {
        ArrayView<float> view = Memory<float>(count);
        Kernels.Simulator?.Forget(view);
        return new Floats(new float[count], view);
    }

    public void Run(Action launch, Action reference) => (registered, this.reference) = (launch, reference);

    /// Launches once more; returns when it has run.
    public void Launch()
    {
        launch();
        Kernels.Accelerator.Synchronize();
    }

    /// Launches, runs the reference, and compares.
    public IReadOnlyList<TrialError> Check()
    {
        foreach ((Floats of, float[] start, _) in results)
        {
            start.CopyTo(of.Host, 0);
            Upload(of.View, start);
        }

        Launch();
        reference!();
        List<TrialError> errors = [];
        foreach ((Floats of, _, double bound) in results)
        {
            float[] actual = new float[of.Host.Length];
            if (actual.Length > 0)
                of.View.CopyToCPU(actual);
            double error = 0, largest = 0;
            for (int i = 0; i < actual.Length; i++)
            {
                double distance = Math.Abs((double)actual[i] - of.Host[i]);
                error = double.IsNaN(distance) && !(float.IsNaN(actual[i]) && float.IsNaN(of.Host[i])) ? double.PositiveInfinity : Math.Max(error, distance);
                largest = Math.Max(largest, Math.Abs(of.Host[i]));
            }

            errors.Add(new TrialError(error, bound * Math.Max(largest, 1e-3)));
        }

        return errors;
    }

    public void Dispose()
    {
        foreach (MemoryBuffer buffer in memory)
            buffer.Dispose();
    }

    Floats Checked(float[] start, double bound, bool written)
    {
        Floats result = new([.. start], written ? Copied(start) : Memory<float>(start.Length));
        if (!written)
            Kernels.Simulator?.Forget(result.View);
        results.Add((result, written ? start : [], bound));
        return result;
    }

    float[] Uniform(long count)
    {
        float[] x = new float[count];
        for (long i = 0; i < count; i++)
            x[i] = 0.5f + random.NextSingle();
        return x;
    }

    float[] Numbers(long count)
    {
        float[] x = new float[count];
        for (long i = 0; i < count; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())), angle = 2 * Math.PI * random.NextDouble();
            x[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < count)
                x[i + 1] = (float)(radius * Math.Sin(angle));
        }

        return x;
    }

    ArrayView<T> Copied<T>(T[] host)
        where T : unmanaged
    {
        ArrayView<T> view = Memory<T>(host.Length);
        Upload(view, host);
        return view;
    }

    static void Upload<T>(ArrayView<T> view, T[] host)
        where T : unmanaged
    {
        if (host.Length > 0)
            view.CopyFromCPU(host);
    }

    ArrayView<T> Memory<T>(long count)
        where T : unmanaged
    {
        if (count == 0)
            return ArrayView<T>.Empty;
        long bytes = count * Interop.SizeOf<T>();
        MemoryBuffer1D<byte, Stride1D.Dense> buffer = Kernels.Accelerator.Allocate1D<byte>(bytes + Alignment);
        memory.Add(buffer);
        return buffer.View.BaseView.SubView(Views.Start(buffer, Alignment), bytes).Cast<T>();
    }
}
