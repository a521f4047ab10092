using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Tests.Personalization;

public class MethodSettingTests
{
    [Fact]
    public void A_method_with_settings_is_that_method_with_those_alone_changed()
    {
        Assert.Equal(
            Method.Lora with { Name = "lora@learning-rate=1e-3@rank=4@pairs=2", Rank = 4, Pairs = 2, PairsAsked = true, Optimizer = Method.Lora.Optimizer with { LearningRate = 1e-3 } },
            MethodSetting.Parse("lora@learning-rate=1e-3@rank=4@pairs=2"));
        Assert.Equal(Method.Lidb with { Name = "lidb@a=8@b=4@steps=3", A = 8, B = 4, Steps = 3 }, MethodSetting.Parse("lidb@a=8@b=4@steps=3"));
        Assert.Equal(
            Method.HyperDreamBooth with { Name = "hyperdreambooth@refinements=8@min-snr-gamma=5", Refinements = 8, MinSnrGamma = 5 },
            MethodSetting.Parse("hyperdreambooth@refinements=8@min-snr-gamma=5"));
        Assert.Equal(Method.NoHyper with { Name = "no-hyper@layers=cross-attention", Layers = LayerSet.CrossAttention }, MethodSetting.Parse("no-hyper@layers=cross-attention"));
        Assert.Equal(Method.Lidb with { Name = "lidb@basis=singular", Basis = LidbBasis.Singular }, MethodSetting.Parse("lidb@basis=singular"));
        Assert.Equal(
            Method.Lora with { Name = "lora@loss-weighting=p2@noise-offset=0.1@ip-noise-gamma=0.2", LossWeighting = "p2", NoiseOffset = 0.1, InputPerturbation = 0.2 },
            MethodSetting.Parse("lora@loss-weighting=p2@noise-offset=0.1@ip-noise-gamma=0.2"));
        Assert.Equal(Method.K1, MethodSetting.Parse("k1"));
    }

    [Theory]
    [InlineData("magic@rank=4", "unknown method 'magic'")]
    [InlineData("lora@magic=4", "'magic=4' is no SETTING=VALUE")]
    [InlineData("lora@rank", "'rank' is no SETTING=VALUE")]
    [InlineData("lora@rank=-1", "rank must be a whole number from 1 to 1000000, not '-1'")]
    [InlineData("lora@rank=many", "rank must be a whole number from 1 to 1000000, not 'many'")]
    [InlineData("lora@rank=1.5", "must be a whole number")]
    [InlineData("lora@rank=1e12", "must be a whole number")]
    [InlineData("dreambooth@rank=4", "the method dreambooth has no rank")]
    [InlineData("only-hyper@steps=4", "the method only-hyper has no steps")]
    [InlineData("only-hyper@rank=4", "the method only-hyper has no rank")]
    [InlineData("no-hyper@refinements=4", "the method no-hyper has no refinements")]
    [InlineData("lora@loss-weighting=5", "loss-weighting must be one of none, min-snr, debiased, scale-v, p2, not '5'")]
    [InlineData("lora@a=4", "the method lora has no a")]
    [InlineData("lora@learning-rate=0", "learning-rate must be a number above 0, not '0'")]
    [InlineData("lora@layers=all", "layers must be one of geglu, attention, cross-attention, unet, not 'all'")]
    [InlineData("hyperdreambooth@layers=unet", "the method hyperdreambooth has no layers")]
    [InlineData("lora@basis=singular", "the method lora has no basis")]
    public void What_is_no_setting_of_the_method_is_refused_in_words(string text, string says) =>
        Assert.Contains(says, Assert.Throws<IlgdException>(() => MethodSetting.Parse(text)).Message);
}
