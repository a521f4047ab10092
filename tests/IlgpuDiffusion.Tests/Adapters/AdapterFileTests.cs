using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests.Adapters;

public sealed class AdapterFileTests(Devices devices, TinyModel tiny) : DeviceTest(devices), IClassFixture<TinyModel>
{
    [Fact]
    public void A_saved_LoRA_has_kohyas_names_and_alpha_and_reads_back()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using AdapterSet set = Randomised(AdapterSet.Lora(Targets(model), 4, 2, 1, Device("cpu")));
        string path = tiny.NewPlace();
        AdapterWriter.Write(path, AdapterDialect.Kohya, AdapterFile.ModulesOf(set, Arena("cpu")), [("ss_seed", "1")]);

        AdapterFile file = AdapterFile.Load(path, model);
        Assert.Equal(set.Targets.Count, file.Modules.Count);
        Assert.Contains(file.Modules, m => m.Name == "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0");
        Assert.Contains(file.Modules, m => m.Name == "lora_te_text_model_encoder_layers_0_self_attn_q_proj");
        Assert.All(file.Modules, m => Assert.Equal((4, 2.0, 0.5f), (m.Rank, m.Alpha, m.Scale)));
        Assert.Equal(("networks.lora", "4", "2"), (file.Metadata["ss_network_module"], file.Metadata["ss_network_dim"], file.Metadata["ss_network_alpha"]));
        Lora first = (Lora)set.Adapters[0];
        AdapterModule same = file.Modules.Single(m => m.Name == KohyaKeys.Module(set.Targets[0].Component, set.Targets[0].Key));
        Assert.Equal(first.Down.Value.ToArray(), same.Down);
        Assert.Equal(first.Up.Value.ToArray(), same.Up);
    }

    [Fact]
    public void Folding_gives_what_attaching_gives_and_comes_off_bit_for_bit()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using AdapterSet set = Randomised(AdapterSet.Lora(Targets(model), 2, 2, 1, Device("cpu")));
        string path = tiny.NewPlace();
        AdapterWriter.Write(path, AdapterDialect.Kohya, AdapterFile.ModulesOf(set, Arena("cpu")), []);
        float[] plain = Predict(model);
        set.Attach();
        float[] attached = Predict(model);
        set.Detach();

        float[] before = model.UNet.Weights.Values.ToArray();
        AdapterFile file = AdapterFile.Load(path, model);
        using (Fold fold = new(model))
        {
            // In two halves: several adapters add up.
            fold.Add(file, 0.25f);
            fold.Add(file, 0.75f);
            Tol.Close(Predict(model), attached, 1e-5, "folded against attached");
        }

        Assert.Equal(before, model.UNet.Weights.Values.ToArray());
        Assert.Equal(plain, Predict(model));
        Assert.NotEqual(plain, attached);
    }

    [Fact]
    public void Compact_LiDB_multiplies_out_to_the_factors_that_were_saved_plainly()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using AdapterSet set = Randomised(AdapterSet.Lidb(Targets(model), 20, 10, 2, new RandomOrthonormal(7), 7, Device("cpu")));
        (string plain, string compact) = (tiny.NewPlace(), tiny.NewPlace());
        AdapterWriter.Write(plain, AdapterDialect.Kohya, AdapterFile.ModulesOf(set, Arena("cpu")), []);
        LidbFile.Save(compact, set, 20, 10, 2, 7, LidbFile.BaseHash(model));

        Dictionary<string, AdapterModule> expected = AdapterFile.Load(plain, model).Modules.ToDictionary(m => m.Path);
        AdapterFile read = AdapterFile.Load(compact, model);
        Assert.Equal(expected.Count, read.Modules.Count);
        foreach (AdapterModule module in read.Modules)
        {
            Assert.Equal(expected[module.Path].Down, module.Down);
            Assert.Equal(expected[module.Path].Up, module.Up);
        }

        Assert.True(new FileInfo(compact).Length < new FileInfo(plain).Length);
    }

    [Fact]
    public void Compact_LiDB_of_another_base_is_refused()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using AdapterSet set = AdapterSet.Lidb(Targets(model), 20, 10, 1, new RandomOrthonormal(7), 7, Device("cpu"));
        string path = tiny.NewPlace();
        LidbFile.Save(path, set, 20, 10, 1, 7, new string('0', 64));
        Assert.Contains("another base model", Assert.Throws<IlgdException>(() => AdapterFile.Load(path, model)).Message);
    }

    [Theory]
    [InlineData("lora_unet_nowhere.lora_down.weight", "lora_unet_nowhere.lora_up.weight", "'lora_unet_nowhere'")]
    [InlineData("unet.x.lora_A.weight", "unet.x.lora_B.weight", "0 of 1 modules matched: 1 modules that it has not: 'unet.x'")]
    [InlineData("lora_unet_x.hada_w1_a", "lora_unet_x.hada_w1_b", "LyCORIS LoHa")]
    [InlineData("lora_unet_x.lora_down.weight", "lora_unet_y.lora_down.weight", "'lora_unet_x' has no up tensor")]
    [InlineData("conv_in.weight", "conv_in.bias", "no key of a LoRA file")]
    public void What_does_not_fit_is_refused_by_name(string first, string second, string said)
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        SafetensorsWriter writer = new();
        writer.Add(first, [2, 2], new float[4]);
        writer.Add(second, [2, 2], new float[4]);
        string path = tiny.NewPlace();
        writer.Write(path);
        string message = Assert.Throws<IlgdException>(() => AdapterFile.Load(path, model)).Message;
        Assert.Contains(said, message);
        Assert.Contains(path, message);
    }

    static IReadOnlyList<AdapterTarget> Targets(DiffusionModel model) => AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights);

    // Up starts at zero: without this there would be nothing to see.
    static AdapterSet Randomised(AdapterSet set)
    {
        foreach (Parameter p in set.Weights.Parameters)
        {
            float[] values = new float[p.Shape.Count];
            new RngStream(3, 1, (ulong)p.Offset).FillNormal(values);
            p.Value.CopyFrom(Array.ConvertAll(values, v => v / 4));
        }

        return set;
    }

    float[] Predict(DiffusionModel model)
    {
        Arena arena = Arena("cpu");
        Tape tape = new(arena, recording: false);
        float[] sample = new float[8 * 8 * 4];
        new RngStream(1, 1, 1).FillNormal(sample);
        Tensor context = model.TextEncoder.Forward(tape, model.Tokenizer.EncodePadded("a sks face", 24), 1);
        float[] y = model.UNet.Forward(tape, tape.From(sample, [1, 8, 8, 4]), [500], context).ToArray();
        arena.Reset();
        return y;
    }
}
