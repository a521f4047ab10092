using System.Reflection;
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// Teaches ILGPU's PTX backend the instructions that C# has no word for, through its public extension point: a method with <see cref="PtxAttribute"/> and
/// `[IntrinsicImplementation]` is never read; a call of it becomes the attribute's text. Structs of registers stay in registers, so accumulators are plain loop variables.
/// (`CudaAsm.EmitRef` writes the same instructions but puts every operand into local memory.)
public static partial class PtxIntrinsics
{
    /// All methods that are instructions.
    public static IEnumerable<MethodInfo> Methods =>
        from type in typeof(PtxIntrinsics).Assembly.GetTypes()
        where type.Namespace == typeof(PtxIntrinsics).Namespace
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly)
        where method.GetCustomAttribute<PtxAttribute>() is not null
        select method;

    /// Must come before an accelerator or a backend of this context is made: ILGPU copies the table then.
    public static void Register(Context context)
    {
        foreach (MethodInfo method in Methods)
            context.GetIntrinsicManager().RegisterMethod(method, new PTXIntrinsic(typeof(PtxIntrinsics), nameof(Emit), IntrinsicImplementationMode.GenerateCode));
    }

    static void Emit(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        MethodCall call = (MethodCall)value;
        MethodBase method = call.Target.Source ?? throw new InvalidOperationException($"{call.Target.Name} lost its .NET method");
        string template = method.GetCustomAttribute<PtxAttribute>()!.Template;
        string text = Operand().Replace(template, match => match.Groups[1].Value == "r"
            ? Name(generator, generator.Allocate(call))
            : Name(generator, generator.Load(call[int.Parse(match.Groups[1].Value)])));
        foreach (string line in text.Split('\n'))
            generator.Builder.Append('\t').AppendLine(line.Trim());
    }

    static string Name(PTXCodeGenerator generator, PTXRegisterAllocator.Register register) => register switch
    {
        PTXRegisterAllocator.CompoundRegister compound => $"{{{string.Join(", ", compound.Children.Select(child => Name(generator, child)))}}}",
        PTXRegisterAllocator.PrimitiveRegister primitive => "%" + PTXRegisterAllocator.GetStringRepresentation(generator.EnsureHardwareRegister(primitive)),
        _ => throw new NotSupportedException($"an operand of kind {register.GetType().Name} cannot stand in PTX"),
    };

    [GeneratedRegex(@"\$(r|\d+)")]
    private static partial Regex Operand();
}
