using System.Linq.Expressions;
using System.Reflection;

namespace IlgpuDiffusion.Kernels.Common;

/// Whether two structs hold the same, field by field and through structs in them: numbers by their bits (so a NaN is itself, and 0 is not −0), delegates by what they call, other objects by being
/// the same one. ILGPU's views have no equality of their own, and the runtime's default boxes them and asks reflection.
static class FieldsEqual<T>
    where T : struct
{
    public static readonly Func<T, T, bool> Of = Compiled();

    static Func<T, T, bool> Compiled()
    {
        ParameterExpression a = Expression.Parameter(typeof(T)), b = Expression.Parameter(typeof(T));
        return Expression.Lambda<Func<T, T, bool>>(Equal(a, b), a, b).Compile();
    }

    static Expression Equal(Expression a, Expression b)
    {
        Type type = a.Type;
        if (type == typeof(float))
            return Expression.Equal(Bits(a, nameof(BitConverter.SingleToInt32Bits)), Bits(b, nameof(BitConverter.SingleToInt32Bits)));
        if (type == typeof(double))
            return Expression.Equal(Bits(a, nameof(BitConverter.DoubleToInt64Bits)), Bits(b, nameof(BitConverter.DoubleToInt64Bits)));
        if (type.IsAssignableTo(typeof(Delegate)))
            return Expression.Call(typeof(object), nameof(Equals), null, a, b);
        if (!type.IsValueType)
            return Expression.ReferenceEqual(a, b);
        if (type.IsPrimitive || type.IsEnum)
            return Expression.Equal(a, b);
        return type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(field => Equal(Expression.Field(a, field), Expression.Field(b, field)))
            .Aggregate((Expression)Expression.Constant(true), Expression.AndAlso);
    }

    static MethodCallExpression Bits(Expression number, string conversion) => Expression.Call(typeof(BitConverter), conversion, null, number);
}
