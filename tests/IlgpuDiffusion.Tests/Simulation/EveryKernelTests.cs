using System.Reflection;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// What holds for the PTX of every kernel there is, found by reflection: a new kernel is in as soon as it is written.
public sealed class EveryKernelTests : IDisposable
{
    readonly PtxSimulator simulator = new();

    /// All methods named …Kernel, generic ones once for each type that they can take.
    static IEnumerable<MethodInfo> Kernels =>
        from type in typeof(KernelContext).Assembly.GetTypes()
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        where method.Name.EndsWith("Kernel", StringComparison.Ordinal) && !method.Name.Contains('<', StringComparison.Ordinal)
        from closed in Closed(method)
        select closed;

    public static TheoryData<string> Names => [.. Kernels.Select(Name).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ptx_is_known_to_the_simulator_and_keeps_to_registers(string name)
    {
        PtxKernel kernel = simulator.Kernel(Kernels.Single(k => Name(k) == name));
        Assert.Equal(0, kernel.LocalBytes);
        Assert.InRange(kernel.SharedBytes, 0, PtxSimulator.StaticSharedLimit);
        // Generic addresses cost a check a load: all of ours are known to be global or shared.
        Assert.Equal(0, kernel.Count("ld.f32") + kernel.Count("ld.b32") + kernel.Count("st.f32") + kernel.Count("st.b32"));
    }

    public void Dispose() => simulator.Dispose();

    static string Name(MethodInfo kernel) =>
        $"{kernel.DeclaringType!.Name}.{kernel.Name}{(kernel.IsGenericMethod ? $"<{string.Join(", ", kernel.GetGenericArguments().Select(t => t.Name))}>" : "")}";

    static MethodInfo[] Closed(MethodInfo method)
    {
        if (!method.IsGenericMethodDefinition)
            return [method];
        Type parameter = Assert.Single(method.GetGenericArguments());
        MethodInfo[] closed =
        [
            .. from type in typeof(KernelContext).Assembly.GetTypes()
               where type.IsValueType && !type.IsGenericType && parameter.GetGenericParameterConstraints().All(c => c == typeof(ValueType) || Fits(type, c))
               select method.MakeGenericMethod(type),
        ];
        Assert.NotEmpty(closed);
        return closed;
    }

    // A constraint may name the parameter itself: where T : struct, IUnary<T>.
    static bool Fits(Type type, Type constraint) => constraint.IsGenericType
        ? type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == constraint.GetGenericTypeDefinition())
        : constraint.IsAssignableFrom(type);
}
