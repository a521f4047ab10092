namespace IlgpuDiffusion.Diagnostics;

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected polynomial 0x82F63B78, and the masked form of TensorFlow's record files.
static class Crc32C
{
    static readonly uint[] Table = MakeTable();

    public static uint Compute(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in data)
            crc = Table[(byte)(crc ^ b)] ^ (crc >> 8);
        return ~crc;
    }

    /// Rotated right by 15 and shifted by a constant: a CRC stored beside its data should not be a CRC of data that holds CRCs.
    public static uint Masked(ReadOnlySpan<byte> data) => uint.RotateRight(Compute(data), 15) + 0xa282ead8;

    static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            table[i] = crc;
        }
        return table;
    }
}
