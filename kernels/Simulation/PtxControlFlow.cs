namespace IlgpuDiffusion.Kernels.Simulation;

/// Where threads that part at a branch meet again: its immediate post-dominator, the first instruction that all ways on from it pass. The driver's assembler lets a warp
/// reconverge there too.
internal static class PtxControlFlow
{
    /// The join of a branch from which no instruction is common to all ways: they end apart.
    public const int Nowhere = int.MaxValue;

    /// By Cooper, Harvey and Kennedy ("A simple, fast dominance algorithm", 2001) on the reversed graph, whose root stands behind the last instruction.
    public static void FindJoins(PtxKernel kernel)
    {
        List<PtxInstruction> code = kernel.Instructions;
        int end = code.Count;
        List<int>[] after = [.. Enumerable.Range(0, end).Select(at => Successors(code[at], at, end))];
        List<int>[] before = [.. Enumerable.Range(0, end + 1).Select(_ => new List<int>())];
        for (int at = 0; at < end; at++)
            after[at].ForEach(to => before[to].Add(at));

        int[] order = ReverseOrder(before, end);
        int[] rank = new int[end + 1];
        Array.Fill(rank, -1);
        for (int i = 0; i < order.Length; i++)
            rank[order[i]] = i;
        int[] join = new int[end + 1];
        Array.Fill(join, -1);
        join[end] = end;
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (int at in order.AsSpan(1))
            {
                int common = -1;
                foreach (int to in after[at])
                {
                    if (join[to] >= 0)
                        common = common < 0 ? to : Meet(common, to, join, rank);
                }

                changed |= join[at] != common;
                join[at] = common;
            }
        }

        for (int at = 0; at < end; at++)
            code[at].Join = join[at] < 0 || join[at] == end ? Nowhere : join[at];
    }

    static List<int> Successors(PtxInstruction i, int at, int end) => i.Flow switch
    {
        PtxFlow.Branch when i.Guard < 0 => [i.Target],
        PtxFlow.Branch => [at + 1, i.Target],
        PtxFlow.Exit when i.Guard < 0 => [end],
        PtxFlow.Exit => [at + 1, end],
        _ => [at + 1],
    };

    // Depth first from the end, backwards; the last to be finished first. Without recursion: kernels have thousands of instructions.
    static int[] ReverseOrder(List<int>[] before, int end)
    {
        List<int> finished = [];
        bool[] seen = new bool[end + 1];
        Stack<(int At, int Next)> stack = [];
        stack.Push((end, 0));
        seen[end] = true;
        while (stack.TryPop(out (int At, int Next) top))
        {
            if (top.Next == before[top.At].Count)
            {
                finished.Add(top.At);
                continue;
            }

            stack.Push((top.At, top.Next + 1));
            int next = before[top.At][top.Next];
            if (!seen[next])
            {
                seen[next] = true;
                stack.Push((next, 0));
            }
        }

        finished.Reverse();
        return [.. finished];
    }

    static int Meet(int a, int b, int[] join, int[] rank)
    {
        while (a != b)
        {
            while (rank[a] > rank[b])
                a = join[a];
            while (rank[b] > rank[a])
                b = join[b];
        }

        return a;
    }
}
