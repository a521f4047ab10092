using System.Text.Json;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Training;

public sealed class LrScheduleTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Every_recorded_table_is_met()
    {
        // Both sides are doubles: what is left is the order of a few roundings, and cos near its zeros.
        const double tolerance = 1e-12;
        using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Shared.Require("fixtures", "optim", "lr_schedules.json")));
        JsonElement tables = file.RootElement.GetProperty("tables");
        Assert.NotEqual(0, tables.GetArrayLength());
        foreach (JsonElement table in tables.EnumerateArray())
        {
            string name = table.GetProperty("name").GetString()!;
            double baseLr = table.GetProperty("base_lr").GetDouble();
            LrSchedule schedule = new(LrSchedule.ParseCurve(name), baseLr,
                (int)(Number(table, "num_warmup_steps") ?? 0), (int)(Number(table, "num_training_steps") ?? 0))
            {
                NumCycles = Number(table, "num_cycles") ?? Number(table, "cosine_num_cycles"),
                Power = Number(table, "power") ?? 1,
                EndLr = Number(table, "polynomial_lr_end") ?? 0,
            };
            int step = 0;
            foreach (JsonElement lr in table.GetProperty("lr").EnumerateArray())
            {
                Assert.True(Math.Abs(schedule.At(step) - lr.GetDouble()) <= tolerance * baseLr,
                    $"{schedule} at step {step}: {schedule.At(step)}, expected {lr.GetDouble()}");
                step++;
            }
        }
    }

    [Fact]
    public void A_polynomial_that_is_all_warm_up_ends_instead_of_dividing_by_zero() =>
        Assert.Equal(1e-7, new LrSchedule(LrCurve.Polynomial, 1e-3, WarmupSteps: 20, TrainingSteps: 20).At(20));

    [Fact]
    public void An_unknown_name_is_refused_with_the_known_ones() =>
        Assert.Contains("polynomial", Assert.Throws<IlgdException>(() => LrSchedule.ParseCurve("step")).Message);

    static double? Number(JsonElement table, string key) =>
        table.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
