using BenchmarkDotNet.Attributes;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tokenizer;

namespace IlgpuDiffusion.Host;

/// Files and text: a tokenizer folder, a prompt, a safetensors file of 100 tensors.
[MemoryDiagnoser]
public class FileBench : IDisposable
{
    const string Prompt = "a photo of a [v] face wearing a hat, smiling, on a beach, as a pencil sketch";
    const int Tensors = 100;
    const int Side = 256;

    readonly string folder = Directory.CreateTempSubdirectory("ilgd-bench-").FullName;
    readonly string weights;
    readonly ClipTokenizer tokenizer;

    public FileBench()
    {
        weights = Path.Combine(folder, "weights.safetensors");
        SafetensorsWriter writer = new();
        for (int i = 0; i < Tensors; i++)
            writer.Add($"layer.{i}.weight", [Side, Side], new float[Side * Side]);
        writer.Write(weights);
        WordVocabulary.FaceMini.Save(Path.Combine(folder, "tokenizer"));
        tokenizer = new ClipTokenizer(Path.Combine(folder, "tokenizer"));
    }

    [Benchmark]
    public int[] Tokenize() => tokenizer.EncodePadded(Prompt, tokenizer.MaxLength);

    /// Opens the file and checks its header.
    [Benchmark]
    public int SafetensorsOpen()
    {
        using SafetensorsReader reader = new(weights);
        return reader.Names.Count;
    }

    /// Reads all 26 MB of it.
    [Benchmark]
    public float SafetensorsRead()
    {
        using SafetensorsReader reader = new(weights);
        float sum = 0;
        foreach (string name in reader.Names)
            sum += reader.ReadFloat32(name)[0];
        return sum;
    }

    [GlobalCleanup]
    public void Dispose() => Directory.Delete(folder, recursive: true);
}
