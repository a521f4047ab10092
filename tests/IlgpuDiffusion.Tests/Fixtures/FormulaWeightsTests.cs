using System.Globalization;
using System.Text.Json;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Tests.Fixtures;

[Trait("Category", "Fixtures")]
public sealed class FormulaWeightsTests
{
    [Fact]
    public void Every_vector_of_the_fixture_comes_out_bit_for_bit()
    {
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(Shared.Require("fixtures", "rng", "formula_vectors.json")));
        Dictionary<string, float[]> made = [];
        foreach (JsonElement v in file.RootElement.GetProperty("vectors").EnumerateArray())
        {
            string name = v.GetProperty("name").GetString()!;
            string salt = v.GetProperty("salt").GetString()!;
            double gain = v.GetProperty("gain").GetDouble();
            int index = v.GetProperty("index").GetInt32();
            Assert.Equal(v.GetProperty("fnv1a64").GetString(), FormulaWeights.Hash(salt + name).ToString("x16", CultureInfo.InvariantCulture));

            string key = $"{salt} {name} {gain}";
            if (!made.TryGetValue(key, out float[]? values))
            {
                int[] shape = [.. v.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32())];
                made[key] = values = new float[shape.Aggregate(1, (a, b) => a * b)];
                FormulaWeights.Fill(name, shape, "", salt, gain, values);
            }

            string bits = BitConverter.SingleToUInt32Bits(values[index]).ToString("x8", CultureInfo.InvariantCulture);
            Assert.True(bits == v.GetProperty("bits").GetString(), $"{name}[{index}]: {bits}, expected {v.GetProperty("bits").GetString()}");
        }

        Assert.NotEmpty(made);
    }
}
