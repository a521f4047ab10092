using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests;

public class LidbSpaceTests(Devices devices, TinyModel tiny) : DeviceTest(devices), IClassFixture<TinyModel>
{
    /// 1, 2 and 3 times the same LoRA on other bases: a float32 product in another order.
    const double Rounding = 2e-5;

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Per_sample_composition_has_the_gradients_of_differences_for_bases_too(string device)
    {
        foreach (int rank in (int[])[1, 2])
        {
            (float[], int[])[] inputs = [(GradCheck.Values(20, 1), [5, 4]), (GradCheck.Values(3 * 4 * rank, 2), [3, 4, rank])];
            GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Down(t, i[0], i[1]), inputs);
            inputs = [(GradCheck.Values(3 * rank * 2, 3), [3, rank, 2]), (GradCheck.Values(12, 4), [2, 6])];
            GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Up(t, i[0], i[1]), inputs);
        }
    }

    [Fact]
    public void A_batch_of_people_is_each_person_alone()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using LidbSpace space = Space(model, new RandomOrthonormal(3));
        float[] one = GradCheck.Values(space.Count, 1), two = GradCheck.Values(space.Count, 2);
        float[] both = Outputs(model, space, Interleaved(space, one, two), 2);
        Tol.Close(both, [.. Outputs(model, space, one, 1)[..(both.Length / 2)], .. Outputs(model, space, two, 1)[(both.Length / 2)..]], Rounding, "together against alone");
        // The people do something, and not the same.
        Assert.NotEqual(Outputs(model, space, one, 1), Outputs(model, space, two, 1));
    }

    [Fact]
    public void Multiplied_factors_do_what_theta_does()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        using LidbSpace space = Space(model, new RandomOrthonormal(3));
        float[] theta = GradCheck.Values(space.Count, 1), expected = Outputs(model, space, theta, 1);
        IReadOnlyList<(float[] Down, float[] Up)> factors = space.Multiplied(Arena("cpu"), theta);
        AdapterModule[] modules = [.. factors.Select((f, i) => new AdapterModule(
            space.Targets[i].Component, space.Targets[i].Key, 1, null, 1, f.Down, f.Up))];
        using (Fold fold = new(model))
        {
            fold.Add(new AdapterFile("", "kohya", modules, new Dictionary<string, string>()));
            Tol.Close(Outputs(model, space, null, 1), expected, Rounding, "folded against put on");
        }

        Assert.NotEqual(expected, Outputs(model, space, null, 1));
    }

    public static TheoryData<string> Bases => ["random", "singular", "principal"];

    [Theory]
    [MemberData(nameof(Bases))]
    public void Every_basis_is_orthonormal_and_reproducible(string kind)
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        IReadOnlyList<AdapterTarget> targets = LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights);
        AdapterFile file = new("", "kohya", [.. targets.Select((t, i) => Fitted(t, i))], new Dictionary<string, string>());
        IBasis basis = kind switch { "random" => new RandomOrthonormal(5), "singular" => new SingularVectors(), _ => new PrincipalComponents([file]) };
        Assert.Equal(kind, basis.Name);
        foreach (AdapterTarget target in targets)
        {
            int a = Math.Min(9, target.Layer.InFeatures), b = Math.Min(7, target.Layer.OutFeatures);
            (float[] aAux, float[] bAux) = basis.For(target, a, b);
            Assert.True(Deviation(aAux, target.Layer.InFeatures, a) < 1e-5, $"A_aux of {target.Path}");
            Assert.True(Deviation(OrthonormalBasis.Rows(bAux, b, target.Layer.OutFeatures), target.Layer.OutFeatures, b) < 1e-5, $"B_aux of {target.Path}");
            Assert.Equal(aAux, basis.For(target, a, b).A);
        }
    }

    [Fact]
    public void Singular_vectors_catch_as_much_of_a_weight_as_its_first_singular_values()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        AdapterTarget target = LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights)[0];
        (int inputs, int outputs) = (target.Layer.InFeatures, target.Layer.OutFeatures);
        float[] w = target.Layer.Weight.Value.ToArray();
        double expected = Svd.Of(w, outputs, inputs).Values.Take(4).Sum(s => s * s);
        // |W·A|² for A the first four right singular vectors, and for four random directions.
        Assert.Equal(expected, Caught(new SingularVectors()), 1e-4 * expected);
        Assert.True(Caught(new RandomOrthonormal(1)) < 0.8 * expected);

        double Caught(IBasis basis)
        {
            float[] a = basis.For(target, 4, 1).A;
            double sum = 0;
            for (int o = 0; o < outputs; o++)
            {
                for (int k = 0; k < 4; k++)
                {
                    double dot = 0;
                    for (int i = 0; i < inputs; i++)
                        dot += (double)w[(o * inputs) + i] * a[(i * 4) + k];
                    sum += dot * dot;
                }
            }

            return sum;
        }
    }

    [Fact]
    public void Principal_components_begin_with_the_direction_of_a_single_update()
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        AdapterTarget target = LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights)[2];
        AdapterModule fitted = Fitted(target, 1);
        (float[] a, float[] b) = new PrincipalComponents([new AdapterFile("", "kohya", [fitted], new Dictionary<string, string>())]).For(target, 3, 2);
        Assert.Equal(1, Math.Abs(Cosine(fitted.Down, [.. Enumerable.Range(0, target.Layer.InFeatures).Select(i => a[i * 3])])), 1e-4);
        Assert.Equal(1, Math.Abs(Cosine(fitted.Up, b[..target.Layer.OutFeatures])), 1e-4);
        AdapterTarget other = LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights)[0];
        Assert.Contains("none of the 1 adapters", Assert.Throws<IlgdException>(
            () => new PrincipalComponents([new AdapterFile("", "kohya", [fitted], new Dictionary<string, string>())]).For(other, 3, 2)).Message);
    }

    [Theory]
    [InlineData(12, 5)]
    [InlineData(4, 9)]
    [InlineData(6, 6)]
    public void Svd_gives_the_matrix_back(int rows, int columns)
    {
        float[] x = GradCheck.Values(rows * columns, 8);
        Svd svd = Svd.Of(x, rows, columns);
        int n = Math.Min(rows, columns);
        float[] u = svd.Left(n), v = svd.Right(n);
        Assert.True(Deviation(u, rows, n) < 1e-6 && Deviation(v, columns, n) < 1e-6);
        Assert.Equal(svd.Values.OrderDescending(), svd.Values);
        float[] product = new float[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                product[(i * columns) + j] = (float)Enumerable.Range(0, n).Sum(k => u[(i * n) + k] * svd.Values[k] * v[(j * n) + k]);
        }

        Tol.Close(product, x, 1e-6, "U S Vᵀ");
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void The_presets_count_what_the_paper_counts_on_stable_diffusion_1_5()
    {
        using UNet unet = new(UNetConfig.Load(Shared.Require("fixtures", "sd15", "unet.config.json")));
        using ClipTextModel text = new(ClipTextConfig.Load(Shared.Require("fixtures", "sd15", "text_encoder.config.json")));
        IReadOnlyList<AdapterTarget> paper = LidbPreset.Paper.Targets(unet.Weights, text.Weights), attention = LidbPreset.Attention.Targets(unet.Weights, text.Weights);
        Assert.Equal((192, 28_800L, 385_344L), (paper.Count, LidbPreset.Paper.Variables(paper), LidbPreset.Paper.LoraVariables(paper)));
        Assert.Equal((176, 26_400L, 273_024L), (attention.Count, LidbPreset.Attention.Variables(attention), LidbPreset.Attention.LoraVariables(attention)));
        Assert.Equal(16 * 4, AdapterTarget.Of(unet.Weights, text.Weights, LayerSet.CrossAttention).Count);
        Assert.Equal(192 - 48, AdapterTarget.Of(unet.Weights, text.Weights, LayerSet.UNet).Count);
        Assert.Contains("paper, attention, mini", Assert.Throws<IlgdException>(() => LidbPreset.ByName("big")).Message);
    }

    static LidbSpace Space(DiffusionModel model, IBasis basis) =>
        new(LidbPreset.Mini.Targets(model.UNet.Weights, model.TextEncoder.Weights), LidbPreset.Mini, basis, 7, model.Device);

    // Of two samples, whoever is on the layers.
    float[] Outputs(DiffusionModel model, LidbSpace space, float[]? theta, int people)
    {
        Arena arena = Arena("cpu");
        Tape tape = new(arena, recording: false);
        if (theta is not null)
            space.Put(tape, tape.From(theta, [space.Targets.Count, people, space.Width]));
        int[] ids = [.. Enumerable.Repeat(model.Tokenizer.EncodePadded("a sks face", 24), 2).SelectMany(x => x)];
        Tensor context = model.TextEncoder.Forward(tape, ids, 2);
        float[] y = model.UNet.Forward(tape, tape.From(GradCheck.Values(2 * 8 * 8 * 4, 4), [2, 8, 8, 4]), [500], context).ToArray();
        space.Detach();
        arena.Reset();
        return y;
    }

    static float[] Interleaved(LidbSpace space, float[] one, float[] two) =>
        [.. Enumerable.Range(0, space.Targets.Count).SelectMany(l => one.Skip(l * space.Width).Take(space.Width).Concat(two.Skip(l * space.Width).Take(space.Width)))];

    static AdapterModule Fitted(AdapterTarget target, int seed) => new(
        target.Component, target.Key, 1, null, 1, GradCheck.Values(target.Layer.InFeatures, seed), GradCheck.Values(target.Layer.OutFeatures, seed + 50));

    // The largest element of |qᵀq − 1|.
    static double Deviation(float[] q, int rows, int columns)
    {
        double worst = 0;
        for (int i = 0; i < columns; i++)
        {
            for (int j = 0; j < columns; j++)
                worst = Math.Max(worst, Math.Abs(Enumerable.Range(0, rows).Sum(k => (double)q[(k * columns) + i] * q[(k * columns) + j]) - (i == j ? 1 : 0)));
        }

        return worst;
    }

    static double Cosine(float[] a, float[] b) => System.Numerics.Tensors.TensorPrimitives.CosineSimilarity<float>(a, b);
}
