using System.Reflection;
using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Kernels.Common;

/// One kernel method. Name: `Operation.Part`, with the types of a generic kernel; version: V1, V2 … or TensorCore; file: where it is, from the repository's root.
public sealed record KernelEntry(string Name, string Version, string File, MethodInfo Method)
{
    public bool UsesTensorCores => Version == KernelCatalog.TensorCore;

    /// Devices that launch it; `cpu` calls other code, beside it.
    public IReadOnlyList<string> Devices => UsesTensorCores ? ["ptx-sim", "cuda"] : ["cpu-sim", "ptx-sim", "cuda", "opencl"];
}

/// All kernels, found by reflection: methods named …Kernel, generic ones once for each choice of types that they can take.
public static partial class KernelCatalog
{
    public const string TensorCore = "TensorCore";

    public static IReadOnlyList<KernelEntry> All { get; } =
    [
        .. (from type in typeof(KernelCatalog).Assembly.GetTypes()
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            where method.Name.EndsWith("Kernel", StringComparison.Ordinal) && !method.Name.Contains('<', StringComparison.Ordinal)
            from closed in Closed(method)
            select Entry(closed)).OrderBy(e => e.Name, StringComparer.Ordinal).ThenBy(e => e.Version, StringComparer.Ordinal),
    ];

    static KernelEntry Entry(MethodInfo method)
    {
        Type type = method.DeclaringType!;
        (string part, string version) = Parts(method.Name, "Kernel");
        if (version.Length == 0)
            version = "V1";
        string folder = type.Namespace![(type.Namespace!.LastIndexOf('.') + 1)..];
        string suffix = version == TensorCore || method.Name == "GatherSplitsKernel" ? "." + TensorCore : "";
        return new KernelEntry($"{type.Name}.{part}{Types(method)}", version, $"kernels/{folder}/{type.Name}{suffix}.cs", method);
    }

    /// What a method's name says before `end`: operation's part, and version, if there is one.
    internal static (string Part, string Version) Parts(string name, string end)
    {
        Match parts = NameParts().Match(name[..^end.Length]);
        return (parts.Groups[1].Value, parts.Groups[2].Value);
    }

    internal static string Types(MethodInfo method) => method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(t => t.Name))}>" : "";

    /// The method once for each choice of types that it can take.
    internal static MethodInfo[] Closed(MethodInfo method)
    {
        if (!method.IsGenericMethodDefinition)
            return [method];
        IEnumerable<Type[]> choices = [[]];
        foreach (Type parameter in method.GetGenericArguments())
        {
            Type[] fitting =
            [
                .. from type in typeof(KernelCatalog).Assembly.GetTypes()
                   where type.IsValueType && !type.IsGenericType && parameter.GetGenericParameterConstraints().All(c => c == typeof(ValueType) || Fits(type, c))
                   select type,
            ];
            choices = choices.SelectMany(before => fitting.Select(type => (Type[])[.. before, type])).ToList();
        }

        return [.. choices.Select(types => method.MakeGenericMethod(types))];
    }

    // A constraint may name the parameter itself: where T : struct, ILanes<T>.
    static bool Fits(Type type, Type constraint) => constraint.IsGenericType
        ? type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == constraint.GetGenericTypeDefinition())
        : constraint.IsAssignableFrom(type);

    [GeneratedRegex(@"^(.*?)(V\d+|TensorCore)?$")]
    private static partial Regex NameParts();
}
