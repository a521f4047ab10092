using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// Only declares, so the full-size models need no memory.
[Trait("Category", "Fixtures")]
public class ManifestTests
{
    [Fact]
    public void Unet_declares_the_published_parameters_in_the_published_order()
    {
        using UNet unet = new(UNetConfig.Load(Shared.Require("fixtures", "sd15", "unet.config.json")));
        Check(unet.Weights, "unet.manifest.txt");
    }

    [Fact]
    public void Vae_declares_the_published_parameters_in_the_published_order()
    {
        using AutoencoderKL vae = new(VaeConfig.Load(Shared.Require("fixtures", "sd15", "vae.config.json")));
        Check(vae.Weights, "vae.manifest.txt");
    }

    [Fact]
    public void Text_encoder_declares_the_published_parameters_in_the_published_order()
    {
        using ClipTextModel text = new(ClipTextConfig.Load(Shared.Require("fixtures", "sd15", "text_encoder.config.json")));
        Check(text.Weights, "text_encoder.manifest.txt");
    }

    [Fact]
    public void Counts_are_those_of_stable_diffusion_1_5()
    {
        using UNet unet = new(UNetConfig.Load(Shared.Require("fixtures", "sd15", "unet.config.json")));
        using AutoencoderKL vae = new(VaeConfig.Load(Shared.Require("fixtures", "sd15", "vae.config.json")));
        using ClipTextModel text = new(ClipTextConfig.Load(Shared.Require("fixtures", "sd15", "text_encoder.config.json")));
        Assert.Equal([(686, 859_520_964L), (248, 83_653_863L), (196, 123_060_480L)],
            new[] { unet.Weights, vae.Weights, text.Weights }.Select(w => (w.Parameters.Count, w.Count)));
    }

    static void Check(Weights weights, string manifest) => Assert.Equal(
        File.ReadAllLines(Shared.Require("fixtures", "sd15", manifest)).Where(line => line.Length > 0),
        weights.Parameters.Select(p => $"{p.Name} {string.Join(",", p.Published.Dims.ToArray())}"));
}
