namespace IlgpuDiffusion.Tokenizer;

/// Byte-pair encoding: joins the neighbours of lowest rank first, the leftmost of equals. O(n log n) in the length of a word, so that a
/// prompt of ten thousand letters without a space is no trouble.
sealed class BytePairEncoding(Dictionary<(int Left, int Right), (int Rank, int Joined)> merges)
{
    /// symbols: token ids of the single characters; returns the ids that are left.
    public List<int> Merge(int[] symbols)
    {
        int n = symbols.Length;
        int[] next = new int[n];
        int[] previous = new int[n];
        PriorityQueue<(int At, int Left, int Right), (int Rank, int At)> queue = new();
        for (int i = 0; i < n; i++)
            (previous[i], next[i]) = (i - 1, i + 1);
        for (int i = 0; i + 1 < n; i++)
            Offer(i);

        while (queue.TryDequeue(out (int At, int Left, int Right) pair, out _))
        {
            int i = pair.At;
            int j = next[i];
            // A pair is stale when one of its sides has been joined elsewhere; a joined-away symbol is -1.
            if (symbols[i] != pair.Left || j >= n || symbols[j] != pair.Right)
                continue;
            symbols[i] = merges[(pair.Left, pair.Right)].Joined;
            symbols[j] = -1;
            next[i] = next[j];
            if (next[i] < n)
                previous[next[i]] = i;
            if (previous[i] >= 0)
                Offer(previous[i]);
            Offer(i);
        }

        List<int> left = [];
        for (int i = 0; i < n; i = next[i])
            left.Add(symbols[i]);
        return left;

        void Offer(int i)
        {
            int j = next[i];
            if (j < n && merges.TryGetValue((symbols[i], symbols[j]), out (int Rank, int Joined) merge))
                queue.Enqueue((i, symbols[i], symbols[j]), (merge.Rank, i));
        }
    }
}
