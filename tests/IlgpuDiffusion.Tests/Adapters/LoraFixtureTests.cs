using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Adapters;

/// One LoRA in every layout with diffusers' result for each.
[Trait("Category", "Fixtures")]
public sealed class LoraFixtureTests(Devices devices) : DeviceTest(devices)
{
    // Full forward passes through folded weights; storage as float16 costs what verdicts.json measured for it.
    const double Tolerance = 1e-5, HalfTolerance = 1e-3;

    // The file or folders, and the case of goldens.safetensors. The oldest layout has no effect in diffusers, silently; here it has the effect it was trained
    // for. A text encoder's PEFT folder is not read by transformers 5 if its keys carry `text_model.`; here it is.
    public static TheoryData<string[], string> Layouts => new()
    {
        { ["kohya.safetensors"], "loaded_kohya" },
        { ["kohya_fp16.safetensors"], "loaded_kohya_fp16" },
        { ["kohya_locon_conv.safetensors"], "loaded_kohya_locon_conv" },
        { ["kohya_no_alpha.safetensors"], "loaded_kohya_no_alpha" },
        { ["kohya_te1.safetensors"], "loaded_kohya_te1" },
        { ["diffusers_lora_down_up.safetensors"], "loaded_diffusers_lora_down_up" },
        { ["diffusers_new_no_metadata.safetensors"], "loaded_diffusers_new_no_metadata" },
        { ["diffusers_new_with_metadata.safetensors"], "loaded_diffusers_new_with_metadata" },
        { ["diffusers_old_processor.safetensors"], "loaded_diffusers_old_processor" },
        { ["diffusers_oldest_attn_procs_no_prefix.safetensors"], "truth_unet_attn_only_scale_1" },
        { ["peft_unet", "peft_text_encoder"], "loaded_peft_folders" },
        { ["peft_unet", "peft_text_encoder_prefixed"], "loaded_peft_folders" },
        { ["peft_unet"], "truth_unet_only_alpha_over_rank" },
        { ["peft_unet_rslora"], "loaded_peft_unet_rslora" },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Every_layout_moves_the_model_as_it_moves_diffusers(string[] files, string golden) =>
        Compare(golden, files.Select(f => (f, 1f)), golden.EndsWith("fp16", StringComparison.Ordinal) ? HalfTolerance : Tolerance);

    [Fact]
    public void Every_file_of_the_fixture_is_compared()
    {
        string folder = Shared.Require("fixtures", "lora");
        HashSet<string> compared = [.. Layouts.SelectMany(row => row.Data.Item1)];
        IEnumerable<string> there = Directory.GetFileSystemEntries(folder).Select(p => Path.GetFileName(p)!)
            .Where(n => n is not ("goldens.safetensors" or "verdicts.json" or "refuse" or "textual_inversion"));
        Assert.Equal(there.Order(StringComparer.Ordinal), compared.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Strength_is_on_top_of_alpha_and_several_add_up()
    {
        Compare("loaded_kohya_set_adapters_07", [("kohya.safetensors", 0.7f)], Tolerance);
        Compare("truth_scale_1", [("kohya.safetensors", 0.5f), ("diffusers_new_no_metadata.safetensors", 0.25f), ("kohya_te1.safetensors", 1f)], Tolerance);
        Compare("base", [("kohya.safetensors", 0f)], Tolerance);
    }

    [Fact]
    public void A_folded_weight_is_the_one_that_diffusers_fuses_and_comes_out_bit_for_bit()
    {
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
        using FixtureFile goldens = FixtureFile.Open("lora", "goldens.safetensors");
        string key = goldens.Attributes("fused_weight").GetProperty("key").GetString()!["unet.".Length..];
        float[] before = model.UNet.Weights.Values.ToArray(), textBefore = model.TextEncoder.Weights.Values.ToArray();
        using (Fold fold = new(model))
        {
            fold.Add(AdapterFile.Load(Shared.Require("fixtures", "lora", "kohya.safetensors"), model));
            Tol.Close(model.UNet.Weights[key].Value.ToArray(), goldens.Floats("fused_weight", "to_q"), 1e-6, key);
        }

        Assert.Equal(before, model.UNet.Weights.Values.ToArray());
        Assert.Equal(textBefore, model.TextEncoder.Weights.Values.ToArray());
    }

    [Fact]
    public void Factors_are_those_that_were_trained()
    {
        using FixtureFile goldens = FixtureFile.Open("lora", "goldens.safetensors");
        AdapterFile file = AdapterFile.Read(Shared.Require("fixtures", "lora", "diffusers_new_with_metadata.safetensors"));
        Assert.Equal(goldens.Attributes("matrices").GetProperty("layers").GetInt32(), file.Modules.Count);
        foreach (AdapterModule m in file.Modules)
        {
            Assert.Equal(goldens.Floats("matrices", $"{m.Path}.A"), m.Down);
            Assert.Equal(goldens.Floats("matrices", $"{m.Path}.B"), m.Up);
            Assert.Equal((4, 2.0, 0.5f), (m.Rank, m.Alpha, m.Scale));
        }
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "dora_kohya", "DoRA" },
        { "dora_peft", "DoRA" },
        { "lycoris_hada", "LoHa" },
        { "lycoris_hada_tucker", "LoHa" },
        { "lycoris_lokr", "LoKr" },
        { "lycoris_ia3", "(IA)3" },
        { "lycoris_full_diff", "full difference" },
        { "lycoris_glora", "GLoRA" },
        { "oft_kohya", "OFT" },
        { "locon_tucker_mid", "Tucker" },
        { "shape_mismatch", "1 of wrong shape" },
        { "missing_up", "has no up tensor" },
        { "unknown_module", "'lora_unet_down_blocks_9_attentions_0_transformer_blocks_0_attn1_to_q'" },
        { "sdxl_te2", "SDXL's second text encoder" },
        { "rank_mismatch_A_B", "rank 3 in down and 2 in up" },
        { "wrong_base_cross_dim", "made for another model, 0 of 1 modules matched" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_to_be_refused_is_refused_by_name(string name, string said)
    {
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
        string path = Shared.Require("fixtures", "lora", "refuse", $"{name}.safetensors");
        string message = Assert.Throws<IlgdException>(() => AdapterFile.Load(path, model)).Message;
        Assert.Contains(path, message);
        Assert.Contains(said, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Every_verdict_of_the_fixture_is_tested()
    {
        using JsonDocument verdicts = JsonDocument.Parse(File.ReadAllText(Shared.Require("fixtures", "lora", "verdicts.json")));
        Assert.Equal(
            verdicts.RootElement.GetProperty("refuse").EnumerateObject().Select(v => v.Name).Order(StringComparer.Ordinal),
            Refused.Select(row => row.Data.Item1).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Textual_inversion_adds_its_words()
    {
        using FixtureFile goldens = FixtureFile.Open("lora", "goldens.safetensors");
        foreach (string name in goldens.Cases.Where(c => c.StartsWith("ti_", StringComparison.Ordinal)))
        {
            Arena arena = Arena("cpu");
            using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
            JsonElement a = goldens.Attributes(name);
            string path = Shared.Require(["fixtures", "lora", .. a.GetProperty("file").GetString()!.Split('/')]);
            Assert.True(TextualInversion.Is(path));
            TextualInversion words = TextualInversion.Load(path, model.TextEncoder.Config.HiddenSize, a.GetProperty("token").GetString());
            Assert.Equal(a.GetProperty("added").GetInt32(), words.Vectors);
            float[] before = model.TextEncoder.Weights.Values.ToArray();
            words.AddTo(model);
            int[] ids = model.Tokenizer.EncodePadded(a.GetProperty("prompt").GetString()!, 77);
            Assert.Equal(goldens.Longs(name, "input_ids"), ids.Select(id => (long)id));
            Tol.Close(model.TextEncoder.Forward(new Tape(arena, recording: false), ids, 1).ToArray(), goldens.Floats(name, "hidden"), Tolerance, name);
            Assert.Equal(before, model.TextEncoder.Weights.Values.ToArray());
            arena.Reset();
        }
    }

    [Theory]
    [InlineData("refuse_sdxl_clip_g", "SDXL's second text encoder")]
    [InlineData("refuse_wrong_width", "made for another model: this one has 40 numbers a token")]
    public void Words_for_another_model_are_refused(string name, string said)
    {
        string path = Shared.Require("fixtures", "lora", "textual_inversion", $"{name}.safetensors");
        Assert.True(TextualInversion.Is(path));
        Assert.Contains(said, Assert.Throws<IlgdException>(() => TextualInversion.Load(path, 40)).Message);
    }

    void Compare(string golden, IEnumerable<(string File, float Weight)> files, double tolerance)
    {
        Arena arena = Arena("cpu");
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
        using FixtureFile goldens = FixtureFile.Open("lora", "goldens.safetensors");
        using Fold fold = new(model);
        foreach ((string file, float weight) in files)
            fold.Add(AdapterFile.Load(Shared.Require("fixtures", "lora", file), model), weight);
        Tape tape = new(arena, recording: false);
        int[] ids = Array.ConvertAll(goldens.Longs("inputs", "input_ids"), id => (int)id);
        (float[] sample, int[] shape) = goldens.Tensor("inputs", "sample");
        Tensor hidden = model.TextEncoder.Forward(tape, ids, shape[0]);
        Tol.Close(hidden.ToArray(), goldens.Floats(golden, "hidden"), tolerance, $"{golden}.hidden");
        Tensor y = model.UNet.Forward(
            tape,
            tape.From(ChannelOrder.ToLast(sample, shape[0], shape[1]), [shape[0], shape[2], shape[3], shape[1]]),
            Array.ConvertAll(goldens.Longs("inputs", "timesteps"), t => (float)t),
            hidden);
        Tol.Close(ChannelOrder.ToFirst(y.ToArray(), shape[0], shape[1]), goldens.Floats(golden, "y"), tolerance, $"{golden}.y");
        arena.Reset();
    }
}
