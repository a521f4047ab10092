namespace IlgpuDiffusion.Kernels.Simulation;

/// What a launch did, counted. The numbers depend on the text and the shape alone, so a test can hold them.
public sealed class PtxCounters
{
    readonly long[] issued = new long[Enum.GetValues<PtxClass>().Length];

    /// Instructions that warps issued, each once for its threads together.
    public long Issued(PtxClass kind) => issued[(int)kind];

    public long AllIssued => issued.Sum();

    /// Warp-wide loads and stores of global memory, and the 32-byte sectors that they touched: 4 a request is 32 neighbouring floats.
    public long GlobalLoads { get; internal set; }

    public long GlobalLoadSectors { get; internal set; }

    public long GlobalStores { get; internal set; }

    public long GlobalStoreSectors { get; internal set; }

    public double SectorsPerLoad => GlobalLoads == 0 ? 0 : (double)GlobalLoadSectors / GlobalLoads;

    public double SectorsPerStore => GlobalStores == 0 ? 0 : (double)GlobalStoreSectors / GlobalStores;

    /// Passes through shared memory's 32 banks of 4 bytes, and those that a conflict-free order would not have needed.
    public long SharedPasses { get; internal set; }

    public long BankConflicts { get; internal set; }

    /// Barriers of whole groups.
    public long Barriers { get; internal set; }

    /// Branches on which a warp's threads went both ways.
    public long Divergences { get; internal set; }

    /// Adds what another launch counted.
    public void Add(PtxCounters other)
    {
        for (int i = 0; i < issued.Length; i++)
            issued[i] += other.issued[i];
        (GlobalLoads, GlobalLoadSectors) = (GlobalLoads + other.GlobalLoads, GlobalLoadSectors + other.GlobalLoadSectors);
        (GlobalStores, GlobalStoreSectors) = (GlobalStores + other.GlobalStores, GlobalStoreSectors + other.GlobalStoreSectors);
        (SharedPasses, BankConflicts) = (SharedPasses + other.SharedPasses, BankConflicts + other.BankConflicts);
        (Barriers, Divergences) = (Barriers + other.Barriers, Divergences + other.Divergences);
    }

    internal void Issue(PtxClass kind) => issued[(int)kind]++;

    internal void Global(bool store, ReadOnlySpan<ulong> addresses, int bytes)
    {
        Span<ulong> sectors = stackalloc ulong[64];
        int count = 0;
        foreach (ulong address in addresses)
        {
            for (ulong sector = address / 32; sector <= (address + (ulong)bytes - 1) / 32; sector++)
            {
                if (sectors[..count].LastIndexOf(sector) < 0)
                    sectors[count++] = sector;
            }
        }

        if (store)
            (GlobalStores, GlobalStoreSectors) = (GlobalStores + 1, GlobalStoreSectors + count);
        else
            (GlobalLoads, GlobalLoadSectors) = (GlobalLoads + 1, GlobalLoadSectors + count);
    }

    /// A warp's access to shared memory runs in passes: 32 threads of 4 bytes, 16 of 8 or 8 of 16. Threads of a pass that want different words of one bank take turns.
    internal void Shared(ReadOnlySpan<ulong> addresses, int bytes)
    {
        int threads = bytes <= 4 ? 32 : 128 / bytes;
        Span<int> turns = stackalloc int[32];
        Span<ulong> words = stackalloc ulong[64];
        for (int begin = 0; begin < addresses.Length; begin += threads)
        {
            turns.Clear();
            int count = 0;
            foreach (ulong address in addresses.Slice(begin, Math.Min(threads, addresses.Length - begin)))
            {
                for (ulong word = address / 4; word <= (address + (ulong)bytes - 1) / 4; word++)
                {
                    if (words[..count].Contains(word))
                        continue;
                    words[count++] = word;
                    turns[(int)(word % 32)]++;
                }
            }

            int most = 0;
            foreach (int t in turns)
                most = Math.Max(most, t);
            SharedPasses += most;
            BankConflicts += most - 1;
        }
    }
}
