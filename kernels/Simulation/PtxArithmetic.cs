using System.Numerics;
using static IlgpuDiffusion.Kernels.Simulation.PtxType;

namespace IlgpuDiffusion.Kernels.Simulation;

/// Instructions of one thread on its registers: a table from the opcode to a function of up to three operands. Registers are 64 bits wide, with narrower values in the
/// low bits. F32 is rounded to nearest after every instruction, fma once; a driver may fuse `mul` and `add` that carry no `.rn`, so a chip's last bit can differ.
/// The `.approx` functions are computed exactly and rounded: the chip's own errors (about 2⁻²²) are not modelled, its flushing of denormals by `.ftz` is.
internal static class PtxArithmetic
{
    public delegate ulong Scalar(ulong a, ulong b, ulong c);

    static readonly Dictionary<string, Scalar> Table = Build();

    public static Scalar? Find(PtxInstruction i)
    {
        if (Table.TryGetValue(i.Opcode, out Scalar? scalar))
            return scalar;
        return i.Parts[0] == "cvt" ? PtxConvert.Find(i) : null;
    }

    static Dictionary<string, Scalar> Build()
    {
        Dictionary<string, Scalar> t = [];
        Integers(t);
        Floats(t);
        Doubles(t);
        Comparisons(t);
        foreach (string type in (string[])["b16", "b32", "b64", "u32", "s32", "u64", "s64", "f32", "f64", "pred"])
        {
            t[$"mov.{type}"] = (a, _, _) => a;
            t[$"selp.{type}"] = (a, b, p) => p != 0 ? a : b;
        }

        foreach (string type in (string[])["b16", "b32", "b64", "pred"])
        {
            ulong all = type switch { "b16" => 0xFFFF, "b32" => 0xFFFFFFFF, "pred" => 1, _ => ulong.MaxValue };
            t[$"and.{type}"] = (a, b, _) => a & b;
            t[$"or.{type}"] = (a, b, _) => a | b;
            t[$"xor.{type}"] = (a, b, _) => a ^ b;
            t[$"not.{type}"] = (a, _, _) => ~a & all;
        }

        // Global addresses are generic addresses here; the other spaces have a window each.
        t["cvta.global.u64"] = t["cvta.to.global.u64"] = (a, _, _) => a;
        t["cvta.shared.u64"] = (a, _, _) => a + PtxParser.SharedWindow;
        t["cvta.to.shared.u64"] = (a, _, _) => a - PtxParser.SharedWindow;
        t["cvta.local.u64"] = (a, _, _) => a + PtxParser.LocalWindow;
        t["cvta.to.local.u64"] = (a, _, _) => a - PtxParser.LocalWindow;
        return t;
    }

    static void Integers(Dictionary<string, Scalar> t)
    {
        foreach (string type in (string[])["s32", "u32"])
        {
            t[$"add.{type}"] = (a, b, _) => (uint)(a + b);
            t[$"sub.{type}"] = (a, b, _) => (uint)(a - b);
            t[$"mul.lo.{type}"] = (a, b, _) => (uint)(a * b);
            t[$"mad.lo.{type}"] = (a, b, c) => (uint)((a * b) + c);
        }

        foreach (string type in (string[])["s64", "u64"])
        {
            t[$"add.{type}"] = (a, b, _) => a + b;
            t[$"sub.{type}"] = (a, b, _) => a - b;
            t[$"mul.lo.{type}"] = (a, b, _) => a * b;
            t[$"mad.lo.{type}"] = (a, b, c) => (a * b) + c;
        }

        t["mul.wide.s32"] = (a, b, _) => (ulong)((long)(int)a * (int)b);
        t["mul.wide.u32"] = (a, b, _) => (ulong)(uint)a * (uint)b;
        t["mad.wide.s32"] = (a, b, c) => (ulong)((long)(int)a * (int)b) + c;
        t["mad.wide.u32"] = (a, b, c) => ((ulong)(uint)a * (uint)b) + c;
        t["mul.hi.s32"] = (a, b, _) => (uint)((long)(int)a * (int)b >> 32);
        t["mul.hi.u32"] = (a, b, _) => (ulong)(uint)a * (uint)b >> 32;
        t["div.s32"] = (a, b, _) => (uint)((int)a / (int)NotZero((uint)b));
        t["div.u32"] = (a, b, _) => (uint)a / (uint)NotZero((uint)b);
        t["div.s64"] = (a, b, _) => (ulong)((long)a / (long)NotZero(b));
        t["div.u64"] = (a, b, _) => a / NotZero(b);
        t["rem.s32"] = (a, b, _) => (uint)((int)a % (int)NotZero((uint)b));
        t["rem.u32"] = (a, b, _) => (uint)a % (uint)NotZero((uint)b);
        t["rem.s64"] = (a, b, _) => (ulong)((long)a % (long)NotZero(b));
        t["rem.u64"] = (a, b, _) => a % NotZero(b);
        t["neg.s32"] = (a, _, _) => (uint)-(int)a;
        t["neg.s64"] = (a, _, _) => (ulong)-(long)a;
        t["abs.s32"] = (a, _, _) => (uint)((int)a < 0 ? -(int)a : (int)a);
        t["abs.s64"] = (a, _, _) => (ulong)((long)a < 0 ? -(long)a : (long)a);
        t["min.s32"] = (a, b, _) => (uint)Math.Min((int)a, (int)b);
        t["max.s32"] = (a, b, _) => (uint)Math.Max((int)a, (int)b);
        t["min.u32"] = (a, b, _) => Math.Min((uint)a, (uint)b);
        t["max.u32"] = (a, b, _) => Math.Max((uint)a, (uint)b);
        t["min.s64"] = (a, b, _) => (ulong)Math.Min((long)a, (long)b);
        t["max.s64"] = (a, b, _) => (ulong)Math.Max((long)a, (long)b);
        t["min.u64"] = (a, b, _) => Math.Min(a, b);
        t["max.u64"] = (a, b, _) => Math.Max(a, b);
        // Shifts by more than the width give zero or the sign, as PTX says, not C#'s remainder.
        t["shl.b32"] = (a, n, _) => (uint)n > 31 ? 0 : (uint)a << (int)n;
        t["shl.b64"] = (a, n, _) => (uint)n > 63 ? 0 : a << (int)n;
        t["shr.b32"] = t["shr.u32"] = (a, n, _) => (uint)n > 31 ? 0 : (uint)a >> (int)n;
        t["shr.b64"] = t["shr.u64"] = (a, n, _) => (uint)n > 63 ? 0 : a >> (int)n;
        t["shr.s32"] = (a, n, _) => (uint)((int)a >> (int)Math.Min((uint)n, 31));
        t["shr.s64"] = (a, n, _) => (ulong)((long)a >> (int)Math.Min((uint)n, 63));
        t["popc.b32"] = (a, _, _) => (ulong)BitOperations.PopCount((uint)a);
        t["clz.b32"] = (a, _, _) => (ulong)BitOperations.LeadingZeroCount((uint)a);
    }

    static ulong NotZero(ulong divisor) => divisor != 0 ? divisor : throw new PtxException("divides by zero");

    static void Floats(Dictionary<string, Scalar> t)
    {
        t["add.f32"] = t["add.rn.f32"] = (a, b, _) => F(F(a) + F(b));
        t["sub.f32"] = t["sub.rn.f32"] = (a, b, _) => F(F(a) - F(b));
        t["mul.f32"] = t["mul.rn.f32"] = (a, b, _) => F(F(a) * F(b));
        t["fma.rn.f32"] = (a, b, c) => F(MathF.FusedMultiplyAdd(F(a), F(b), F(c)));
        t["div.rn.f32"] = t["div.approx.f32"] = t["div.full.f32"] = (a, b, _) => F(F(a) / F(b));
        t["rcp.rn.f32"] = t["rcp.approx.f32"] = (a, _, _) => F(1 / F(a));
        t["sqrt.rn.f32"] = t["sqrt.approx.f32"] = (a, _, _) => F(MathF.Sqrt(F(a)));
        t["rsqrt.approx.f32"] = (a, _, _) => F((float)(1 / Math.Sqrt(F(a))));
        t["ex2.approx.f32"] = (a, _, _) => F((float)Math.Pow(2, F(a)));
        t["ex2.approx.ftz.f32"] = (a, _, _) => F(Flush((float)Math.Pow(2, Flush(F(a)))));
        t["lg2.approx.f32"] = (a, _, _) => F((float)Math.Log2(F(a)));
        t["sin.approx.f32"] = (a, _, _) => F(MathF.Sin(F(a)));
        t["cos.approx.f32"] = (a, _, _) => F(MathF.Cos(F(a)));
        t["tanh.approx.f32"] = (a, _, _) => F(MathF.Tanh(F(a)));
        t["neg.f32"] = (a, _, _) => (uint)a ^ 0x80000000;
        t["abs.f32"] = (a, _, _) => (uint)a & 0x7FFFFFFF;
        // The operand that is a number wins over one that is none.
        t["min.f32"] = (a, b, _) => F(float.MinNumber(F(a), F(b)));
        t["max.f32"] = (a, b, _) => F(float.MaxNumber(F(a), F(b)));
        t["cvt.rn.bf16x2.f32"] = (high, low, _) => (ulong)TensorCore.Bf16.Round(F(low)) | ((ulong)TensorCore.Bf16.Round(F(high)) << 16);
    }

    static float Flush(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;

    static void Doubles(Dictionary<string, Scalar> t)
    {
        t["add.f64"] = t["add.rn.f64"] = (a, b, _) => D(D(a) + D(b));
        t["sub.f64"] = t["sub.rn.f64"] = (a, b, _) => D(D(a) - D(b));
        t["mul.f64"] = t["mul.rn.f64"] = (a, b, _) => D(D(a) * D(b));
        t["fma.rn.f64"] = (a, b, c) => D(Math.FusedMultiplyAdd(D(a), D(b), D(c)));
        t["div.rn.f64"] = (a, b, _) => D(D(a) / D(b));
        t["rcp.rn.f64"] = (a, _, _) => D(1 / D(a));
        t["sqrt.rn.f64"] = (a, _, _) => D(Math.Sqrt(D(a)));
        t["neg.f64"] = (a, _, _) => a ^ (1UL << 63);
        t["abs.f64"] = (a, _, _) => a & ~(1UL << 63);
        t["min.f64"] = (a, b, _) => D(double.MinNumber(D(a), D(b)));
        t["max.f64"] = (a, b, _) => D(double.MaxNumber(D(a), D(b)));
    }

    static void Comparisons(Dictionary<string, Scalar> t)
    {
        Compare(t, ["s32"], a => (int)a);
        Compare(t, ["u32", "b32"], a => (uint)a);
        Compare(t, ["s64"], a => (long)a);
        Compare(t, ["u64", "b64"], a => a);
        Compare(t, ["s16"], a => (short)a);
        Compare(t, ["u16", "b16"], a => (ushort)a);
        Compare(t, ["f32"], F);
        Compare(t, ["f64"], D);
        // The forms with u are also true where an operand is not a number.
        Unordered(t, "f32", a => double.CreateChecked(F(a)));
        Unordered(t, "f64", D);
        t["testp.notanumber.f32"] = (a, _, _) => float.IsNaN(F(a)) ? 1u : 0;
        t["testp.finite.f32"] = (a, _, _) => float.IsFinite(F(a)) ? 1u : 0;
        t["testp.infinite.f32"] = (a, _, _) => float.IsInfinity(F(a)) ? 1u : 0;
    }

    static void Compare<T>(Dictionary<string, Scalar> t, string[] types, Func<ulong, T> value)
        where T : INumber<T>
    {
        foreach (string type in types)
        {
            t[$"setp.eq.{type}"] = (a, b, _) => value(a) == value(b) ? 1u : 0;
            // Of two that cannot be compared, PTX says "not unequal".
            t[$"setp.ne.{type}"] = (a, b, _) => value(a) < value(b) || value(a) > value(b) ? 1u : 0;
            t[$"setp.lt.{type}"] = (a, b, _) => value(a) < value(b) ? 1u : 0;
            t[$"setp.le.{type}"] = (a, b, _) => value(a) <= value(b) ? 1u : 0;
            t[$"setp.gt.{type}"] = (a, b, _) => value(a) > value(b) ? 1u : 0;
            t[$"setp.ge.{type}"] = (a, b, _) => value(a) >= value(b) ? 1u : 0;
        }
    }

    static void Unordered(Dictionary<string, Scalar> t, string type, Func<ulong, double> value)
    {
        t[$"setp.equ.{type}"] = (a, b, _) => value(a) < value(b) || value(a) > value(b) ? 0 : 1u;
        t[$"setp.neu.{type}"] = (a, b, _) => value(a) == value(b) ? 0 : 1u;
        t[$"setp.ltu.{type}"] = (a, b, _) => value(a) >= value(b) ? 0 : 1u;
        t[$"setp.leu.{type}"] = (a, b, _) => value(a) > value(b) ? 0 : 1u;
        t[$"setp.gtu.{type}"] = (a, b, _) => value(a) <= value(b) ? 0 : 1u;
        t[$"setp.geu.{type}"] = (a, b, _) => value(a) < value(b) ? 0 : 1u;
    }
}
