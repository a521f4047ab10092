using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Kernels.Simulation;

/// Lays arguments out as the driver gives them to a kernel: numbers as they are, structs field by field, a view (or a host array in its place) as a 64-bit pointer and
/// a 64-bit length. Host arrays are copied to memory that is aligned as a GPU's allocations are, and back when this is disposed.
internal sealed unsafe class PtxArguments : IDisposable
{
    static readonly MethodInfo AddressOf = typeof(PtxArguments).GetMethod(nameof(Address), BindingFlags.Static | BindingFlags.NonPublic)!;

    const int Alignment = 256;

    readonly byte[] image;
    readonly List<(Array Host, nint Memory)> staged = [];

    public PtxArguments(PtxKernel kernel, ReadOnlySpan<object> arguments)
    {
        if (arguments.Length != kernel.Parameters.Count)
            throw new PtxException($"{kernel.Name} has {kernel.Parameters.Count} parameters, {arguments.Length} arguments were given");
        image = new byte[kernel.ParameterBytes];
        for (int i = 0; i < arguments.Length; i++)
        {
            PtxParameter p = kernel.Parameters[i];
            List<byte> one = [];
            Append(one, arguments[i]);
            if (one.Count != p.Bytes)
                throw new PtxException($"{kernel.Name}: parameter {p.Name} has {p.Bytes} bytes, a {arguments[i].GetType().Name} has {one.Count}");
            one.CopyTo(image, p.Offset);
        }
    }

    public byte[] Image => image;

    public PtxGlobalMemory Memory { get; } = new();

    public void Dispose()
    {
        foreach ((Array host, nint memory) in staged)
        {
            new ReadOnlySpan<byte>((void*)memory, Bytes(host).Length).CopyTo(Bytes(host));
            NativeMemory.AlignedFree((void*)memory);
        }

        staged.Clear();
    }

    nint Stage(Array host)
    {
        if (host.Length == 0)
            return 0;
        Span<byte> bytes = Bytes(host);
        nint memory = (nint)NativeMemory.AlignedAlloc((nuint)bytes.Length, Alignment);
        bytes.CopyTo(new Span<byte>((void*)memory, bytes.Length));
        staged.Add((host, memory));
        return memory;
    }

    static Span<byte> Bytes(Array host) =>
        MemoryMarshal.CreateSpan(ref MemoryMarshal.GetArrayDataReference(host), checked(host.Length * Marshal.SizeOf(host.GetType().GetElementType()!)));

    void Append(List<byte> image, object value)
    {
        Type type = value.GetType();
        switch (value)
        {
            case int number:
                image.AddRange(BitConverter.GetBytes(number));
                break;
            case float number:
                image.AddRange(BitConverter.GetBytes(number));
                break;
            case long number:
                Align(image, 8);
                image.AddRange(BitConverter.GetBytes(number));
                break;
            case Array array:
                View(image, Stage(array), array.Length, Marshal.SizeOf(type.GetElementType()!));
                break;
            case IContiguousArrayView view:
                MethodInfo address = AddressOf.MakeGenericMethod(type.GetGenericArguments()[0]);
                View(image, view.Length == 0 ? 0 : (nint)address.Invoke(null, [view])!, view.Length, view.ElementSize);
                break;
            default:
                if (!type.IsValueType || type.IsPrimitive)
                    throw new PtxException($"an argument of type {type.Name} is not known to ptx-sim");
                foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
                    Append(image, field.GetValue(value)!);
                break;
        }
    }

    void View(List<byte> image, nint address, long length, int elementSize)
    {
        Align(image, 8);
        image.AddRange(BitConverter.GetBytes((long)address));
        image.AddRange(BitConverter.GetBytes(length));
        Memory.Allow((ulong)address, (ulong)(length * elementSize));
    }

    static nint Address<T>(ArrayView<T> view)
        where T : unmanaged => view.LoadEffectiveAddressAsPtr();

    static void Align(List<byte> image, int to)
    {
        while (image.Count % to != 0)
            image.Add(0);
    }
}
