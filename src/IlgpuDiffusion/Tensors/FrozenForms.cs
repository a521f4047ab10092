using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Tensors;

/// What kernels made of frozen weights alone, a transformed filter for one, kept until the weight that it is made of changes. It belongs to a model's weights as
/// their memory does. A trainable weight keeps nothing: it changes with every step.
public sealed class FrozenForms(Device device, string owner) : IDisposable
{
    readonly Dictionary<(Tensor Of, string Form, long Length), Kept> forms = [];

    /// Forms made so far, those made again included.
    public long Made { get; private set; }

    /// Forms kept now.
    public int Count => forms.Count;

    /// Says that elements of any weight may have been written: everything kept is made again when it is asked for.
    public void Changed()
    {
        foreach (Kept kept in forms.Values)
            kept.Stale = true;
    }

    /// Says that this tensor's elements were written: a weight, or an array that holds several. Forms of weights that lie elsewhere stay.
    public void Changed(Tensor written)
    {
        (long begin, long end) = Range(written);
        foreach (((Tensor weight, _, _), Kept kept) in forms)
        {
            (long first, long last) = Range(weight);
            kept.Stale |= first < end && begin < last;
        }
    }

    /// The memory that keeps a form of the tensor, `length` floats, and whether it must be filled: the first time, and after a change.
    public (ArrayView<float> Memory, bool Fresh) Of(Tensor weight, string form, long length)
    {
        (Tensor, string, long) key = (weight, form, length);
        if (!forms.TryGetValue(key, out Kept? kept))
            forms.Add(key, kept = new Kept(device.Allocate(length * sizeof(float), $"{owner} {form}")));
        bool fresh = kept.Stale;
        kept.Stale = false;
        Made += fresh ? 1 : 0;
        return (kept.Buffer.View<float>(0, length), fresh);
    }

    /// Gives all memory back.
    public void Clear()
    {
        foreach (Kept kept in forms.Values)
            kept.Buffer.Dispose();
        forms.Clear();
    }

    public void Dispose() => Clear();

    static unsafe (long Begin, long End) Range(Tensor t)
    {
        long begin = t.Count == 0 ? 0 : (long)t.View.LoadEffectiveAddressAsPtr();
        return (begin, begin + (t.Count * sizeof(float)));
    }

    sealed class Kept(DeviceBuffer buffer)
    {
        public DeviceBuffer Buffer { get; } = buffer;

        /// True until the form is made, and from a change on until it is made again.
        public bool Stale { get; set; } = true;
    }
}
