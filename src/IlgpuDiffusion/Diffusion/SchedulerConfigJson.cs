using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Models;

namespace IlgpuDiffusion.Diffusion;

public sealed partial record SchedulerConfig
{
    /// As `scheduler_config.json`. Absent stay the keys whose value JSON cannot hold (no limit) or whose default is each scheduler's own.
    internal byte[] ToJson()
    {
        JsonObject json = [];
        foreach (JsonProperty p in JsonSerializer.SerializeToElement(this, Json).EnumerateObject())
        {
            bool absent = p.Value.ValueKind == JsonValueKind.Null || (p.Name == "lambda_min_clipped" && double.IsInfinity(LambdaMinClipped));
            if (!absent)
                json.Add(p.Name, JsonNode.Parse(p.Value.GetRawText()));
        }

        return JsonSerializer.SerializeToUtf8Bytes(json, ConfigJson.Options);
    }
}
