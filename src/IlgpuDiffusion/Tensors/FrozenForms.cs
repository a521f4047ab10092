using ILGPU;

namespace IlgpuDiffusion.Tensors;

/// What kernels made of frozen weights alone, a transformed filter for one, kept until the weights change. It belongs to a model's weights as
/// their memory does. A trainable weight keeps nothing: it changes with every step.
public sealed class FrozenForms(Device device, string owner) : IDisposable
{
    readonly Dictionary<(Tensor Of, string Form, long Length), (long Version, DeviceBuffer Buffer)> forms = [];
    long version;

    /// Says that elements were written: everything kept is made again when it is asked for.
    public void Changed() => version++;

    /// The memory that keeps a form of the tensor, `length` floats, and whether it must be filled: the first time, and after a change.
    public (ArrayView<float> Memory, bool Fresh) Of(Tensor weight, string form, long length)
    {
        (Tensor, string, long) key = (weight, form, length);
        bool known = forms.TryGetValue(key, out (long Version, DeviceBuffer Buffer) kept);
        DeviceBuffer buffer = known ? kept.Buffer : device.Allocate(length * sizeof(float), $"{owner} {form}");
        forms[key] = (version, buffer);
        return (buffer.View<float>(0, length), !known || kept.Version != version);
    }

    /// Gives all memory back.
    public void Clear()
    {
        foreach ((_, DeviceBuffer buffer) in forms.Values)
            buffer.Dispose();
        forms.Clear();
    }

    public void Dispose() => Clear();
}
