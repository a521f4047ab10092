using System.Reflection;

namespace IlgpuDiffusion.Tests.Autograd;

/// Marks a test that compares the gradients of these operations with finite differences.
[AttributeUsage(AttributeTargets.Method)]
public sealed class FiniteDifferencesAttribute(params Type[] operations) : Attribute
{
    public IReadOnlyList<Type> Operations { get; } = operations;
}

public class FiniteDifferencesTests
{
    // Its inputs are timesteps on the host.
    static readonly Type[] WithoutGradient = [typeof(Ops.TimestepEmbedding)];

    [Fact]
    public void Every_operation_is_compared_with_finite_differences()
    {
        IEnumerable<Type> compared =
            from type in typeof(FiniteDifferencesTests).Assembly.GetTypes()
            from method in type.GetMethods()
            where method.GetCustomAttribute<TheoryAttribute>() is not null
            from operation in method.GetCustomAttribute<FiniteDifferencesAttribute>()?.Operations ?? []
            select operation;
        IEnumerable<Type> operations = typeof(Ops.Add).Assembly.GetTypes().Where(t => t.Namespace == typeof(Ops.Add).Namespace && t.IsPublic && t.GetMethods().Any(m => m.Name == "Forward"));
        Assert.Equal([], operations.Except(compared).Except(WithoutGradient).Select(t => t.Name));
    }
}
