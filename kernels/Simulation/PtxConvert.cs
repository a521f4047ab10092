using static IlgpuDiffusion.Kernels.Simulation.PtxType;

namespace IlgpuDiffusion.Kernels.Simulation;

/// `cvt.[rounding.]to.from`: integers widen by their own sign and are cut to size; floating point becomes an integer by the named rounding and saturates; and between
/// widths of floating point `.rn` rounds to nearest.
internal static class PtxConvert
{
    public static PtxArithmetic.Scalar? Find(PtxInstruction i)
    {
        string[] p = i.Parts;
        if (p.Length is < 3 or > 4)
            return null;
        string to = p[^2], from = p[^1], rounding = p.Length == 4 ? p[1] : "";
        if (!Types.Contains(to) || !Types.Contains(from) || rounding is not ("" or "rn" or "rz" or "rni" or "rzi" or "rmi" or "rpi"))
            return null;
        bool fromFloat = from[0] == 'f', toFloat = to[0] == 'f';
        if (!fromFloat && !toFloat)
            return rounding == "" ? (a, _, _) => Cut(Widen(a, from), to) : null;
        if (fromFloat && toFloat)
            return rounding is "" or "rn" ? (a, _, _) => FromReal(Real(a, from), to) : null;
        if (!fromFloat)
            return rounding == "rn" ? (a, _, _) => FromInteger(Widen(a, from), from, to) : null;
        return rounding.EndsWith('i') ? (a, _, _) => ToInteger(Whole(Real(a, from), rounding), to) : null;
    }

    static readonly string[] Types = ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f16", "f32", "f64"];

    static ulong Widen(ulong a, string type) => type switch
    {
        "s8" => (ulong)(sbyte)a,
        "u8" => (byte)a,
        "s16" => (ulong)(short)a,
        "u16" => (ushort)a,
        "s32" => (ulong)(int)a,
        "u32" => (uint)a,
        _ => a,
    };

    // A value narrower than its register is widened into it by its own sign.
    static ulong Cut(ulong a, string type) => type switch
    {
        "s8" => (uint)(sbyte)a,
        "u8" => (byte)a,
        "s16" => (uint)(short)a,
        "u16" => (ushort)a,
        "s32" or "u32" => (uint)a,
        _ => a,
    };

    static double Real(ulong a, string type) => type switch { "f16" => H(a), "f32" => F(a), _ => D(a) };

    static ulong FromReal(double value, string type) => type switch { "f16" => H(value), "f32" => F((float)value), _ => D(value) };

    static ulong FromInteger(ulong a, string from, string to)
    {
        bool signed = from[0] == 's';
        return to switch
        {
            "f32" => F(signed ? (float)(long)a : (float)a),
            "f64" => D(signed ? (double)(long)a : (double)a),
            _ => H(signed ? (double)(long)a : (double)a),
        };
    }

    static double Whole(double value, string rounding) => rounding switch
    {
        "rni" => Math.Round(value, MidpointRounding.ToEven),
        "rzi" => Math.Truncate(value),
        "rmi" => Math.Floor(value),
        _ => Math.Ceiling(value),
    };

    // C#'s conversions saturate and make 0 of NaN, as PTX does.
    static ulong ToInteger(double value, string type) => type switch
    {
        "s32" => (uint)(int)value,
        "u32" => (uint)value,
        "s64" => (ulong)(long)value,
        "u64" => (ulong)value,
        "s16" => (uint)(short)Math.Clamp(value, short.MinValue, short.MaxValue),
        "u16" => (ushort)Math.Clamp(value, 0, ushort.MaxValue),
        "s8" => (uint)(sbyte)Math.Clamp(value, sbyte.MinValue, sbyte.MaxValue),
        _ => (byte)Math.Clamp(value, 0, byte.MaxValue),
    };
}
