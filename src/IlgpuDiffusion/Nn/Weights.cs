using ILGPU.Runtime;
using IlgpuDiffusion.Tensors;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Nn;

/// The parameters of one model. A module's constructor asks a <see cref="WeightScope"/> for each, with published key and shape on one line;
/// then all get their memory at once, in one buffer in order of declaration, so that an optimiser can treat them as one array.
public sealed class Weights : IDisposable
{
    readonly List<Parameter> parameters = [];
    readonly Dictionary<string, Parameter> byName = [];
    readonly Dictionary<string, Linear> linears = [];
    DeviceBuffer? buffer;
    DeviceBuffer? gradBuffer;
    FrozenForms? forms;
    Tensor? values;
    Tensor? grads;

    /// The scope whose keys have no prefix.
    public WeightScope Root => new(this, "");

    /// In order of declaration, which is the order of the published model.
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// All linear layers by key: what adapters attach to.
    public IReadOnlyDictionary<string, Linear> Linears => linears;

    /// Called with the published name and the output of every module as it runs, to compare with another implementation or to find the first
    /// that is not finite. The tensor is good until the call returns: a layer's memory may be taken back then. A fused activation is named after the module: `conv_norm_out+silu`.
    public Action<string, Tensor>? Trace { get; set; }

    public long Count => parameters.Sum(p => p.Shape.Count);

    public Parameter this[string name] => byName.TryGetValue(name, out Parameter? p) ? p : throw new IlgdException($"this model has no parameter '{name}'");

    public bool Contains(string name) => byName.ContainsKey(name);

    /// All parameters as one array, in order of declaration: what optimisers and averages run over. Each parameter starts at a multiple of
    /// 64 bytes; the gaps are zero and stay zero.
    public Tensor Values => values ?? throw new InvalidOperationException("these weights have no memory yet: call Allocate first");

    /// All gradients as one array with the same gaps; there while gradients are wanted.
    public Tensor Grads => grads ?? throw new InvalidOperationException("these weights are frozen: call RequireGrad(true) first");

    /// Gives every declared parameter its memory, zero at first: load or initialise it.
    public void Allocate(Device device, string owner)
    {
        if (buffer is not null)
            throw new InvalidOperationException($"{owner}: parameters have memory already");
        long total = parameters.Sum(p => Padded(p.Shape.Count));
        buffer = device.Allocate(total * sizeof(float), owner);
        forms = new FrozenForms(device, owner);
        values = buffer.Tensor(0, [(int)total], forms);
        device.Kernels.Clear(values.View);
        long at = 0;
        foreach (Parameter p in parameters)
        {
            p.Value = buffer.Tensor(at * sizeof(float), p.Shape, forms);
            p.Offset = (int)at;
            at += Padded(p.Shape.Count);
        }

        Device = device;
        Owner = owner;
    }

    public string Owner { get; private set; } = "";

    public Device? Device { get; private set; }

    /// Turns gradients on or off for all parameters: frozen ones cost no gradient, no state and no saved activation.
    public void RequireGrad(bool wanted)
    {
        if (wanted == (grads is not null))
            return;
        forms!.Clear();
        gradBuffer?.Dispose();
        gradBuffer = wanted ? Device!.Allocate(Values.Count * sizeof(float), $"{Owner} gradients") : null;
        grads = wanted ? gradBuffer!.Tensor(0, Values.Shape) : null;
        long at = 0;
        foreach (Parameter p in parameters)
        {
            p.Value.RequiresGrad = wanted;
            p.Value.Grad = wanted ? gradBuffer!.Tensor(at * sizeof(float), p.Shape) : null;
            p.Value.OwnsGrad = wanted;
            at += Padded(p.Shape.Count);
        }

        if (wanted)
            ZeroGrad();
    }

    /// To be called by what writes to the weights other than by <see cref="Tensor.CopyFrom"/> while they are frozen: forms that are kept are stale then.
    public void Changed() => forms?.Changed();

    /// What is kept of frozen weights: how much, and how often it was made.
    public (int Kept, long Made) Forms => (forms?.Count ?? 0, forms?.Made ?? 0);

    /// Sets all gradients to zero: they accumulate over backward passes until then.
    public void ZeroGrad() => Device!.Kernels.Clear(Grads.View);

    static long Padded(long count)
    {
        const int floats = DeviceBuffer.Alignment / sizeof(float);
        return (count + floats - 1) / floats * floats;
    }

    internal Parameter Declare(Parameter p)
    {
        if (!byName.TryAdd(p.Name, p))
            throw new InvalidOperationException($"parameter '{p.Name}' is declared twice");
        parameters.Add(p);
        return p;
    }

    internal void Declare(string name, Linear linear) => linears.Add(name, linear);

    public void Dispose()
    {
        forms?.Dispose();
        gradBuffer?.Dispose();
        buffer?.Dispose();
    }
}

/// A prefix of published keys, as `candle`'s VarBuilder path: `w.Scope("attn1").Scope("to_q").Get("weight", [c, c])`.
public readonly struct WeightScope(Weights weights, string prefix)
{
    public string Prefix { get; } = prefix;

    public WeightScope Scope(string name) => new(weights, Key(name));

    public WeightScope Scope(int index) => Scope(index.ToString());

    /// Declares a parameter by its published key and shape. `fanIn` only matters for <see cref="Init.FanIn"/>; by default the product of all extents but the first.
    public Parameter Get(string key, Shape published, Init init = Init.FanIn, Layout layout = Layout.Same, int fanIn = 0)
    {
        int own = published.Rank > 1 && published[0] > 0 ? (int)(published.Count / published[0]) : 1;
        return weights.Declare(new Parameter(Key(key), published, layout, init, fanIn > 0 ? fanIn : own));
    }

    internal void Declare(Linear linear) => weights.Declare(Prefix, linear);

    /// Somebody looks at what is shown to <see cref="Traced"/>.
    internal bool Traces => weights.Trace is not null;

    /// Shows a module's output to <see cref="Weights.Trace"/> and returns it.
    internal Tensor Traced(Tensor y, string suffix = "")
    {
        weights.Trace?.Invoke(Prefix + suffix, y);
        return y;
    }

    string Key(string name) => Prefix.Length == 0 ? name : $"{Prefix}.{name}";
}
