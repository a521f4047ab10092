namespace IlgpuDiffusion.IO;

/// Element types of the safetensors format. The order is that of the official library, whose writer sorts by it (descending).
public enum SafetensorsDType
{
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

/// Names and sizes of the element types.
public static class SafetensorsDTypes
{
    static readonly (SafetensorsDType DType, string Name, int Bits)[] Table =
    [
        (SafetensorsDType.Bool, "BOOL", 8),
        (SafetensorsDType.F4, "F4", 4),
        (SafetensorsDType.F6E2M3, "F6_E2M3", 6),
        (SafetensorsDType.F6E3M2, "F6_E3M2", 6),
        (SafetensorsDType.U8, "U8", 8),
        (SafetensorsDType.I8, "I8", 8),
        (SafetensorsDType.F8E5M2, "F8_E5M2", 8),
        (SafetensorsDType.F8E4M3, "F8_E4M3", 8),
        (SafetensorsDType.F8E8M0, "F8_E8M0", 8),
        (SafetensorsDType.F8E4M3Fnuz, "F8_E4M3FNUZ", 8),
        (SafetensorsDType.F8E5M2Fnuz, "F8_E5M2FNUZ", 8),
        (SafetensorsDType.I16, "I16", 16),
        (SafetensorsDType.U16, "U16", 16),
        (SafetensorsDType.F16, "F16", 16),
        (SafetensorsDType.BF16, "BF16", 16),
        (SafetensorsDType.I32, "I32", 32),
        (SafetensorsDType.U32, "U32", 32),
        (SafetensorsDType.F32, "F32", 32),
        (SafetensorsDType.C64, "C64", 64),
        (SafetensorsDType.F64, "F64", 64),
        (SafetensorsDType.I64, "I64", 64),
        (SafetensorsDType.U64, "U64", 64),
    ];

    static readonly Dictionary<string, SafetensorsDType> ByName = Table.ToDictionary(row => row.Name, row => row.DType, StringComparer.Ordinal);

    /// The name in the file header, e.g. "F8_E4M3".
    public static string FileName(this SafetensorsDType dtype) => Table[(int)dtype].Name;

    /// Bits of one element; below 8 for the packed types.
    public static int Bits(this SafetensorsDType dtype) => Table[(int)dtype].Bits;

    public static bool TryParse(string name, out SafetensorsDType dtype) => ByName.TryGetValue(name, out dtype);
}
