using System.Globalization;
using System.Text.Json;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Tensors.Rng;

[Trait("Category", "Fixtures")]
public sealed class Philox4x32Tests
{
    [Fact]
    public void Every_known_answer_comes_out()
    {
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(Shared.Require("fixtures", "rng", "philox4x32_10.json")));
        int vectors = 0;
        foreach (JsonElement v in file.RootElement.GetProperty("vectors").EnumerateArray())
        {
            uint[] c = Words(v, "counter");
            uint[] k = Words(v, "key");
            (uint x0, uint x1, uint x2, uint x3) = Philox4x32.Words(c[0], c[1], c[2], c[3], k[0], k[1]);
            uint[] actual = [x0, x1, x2, x3];
            Assert.Equal(Words(v, "out"), actual);
            vectors++;
        }

        Assert.True(vectors > 0);
    }

    static uint[] Words(JsonElement vector, string name) =>
        [.. vector.GetProperty(name).EnumerateArray().Select(w => uint.Parse(w.GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
}
