using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// Pictures and latents in the fixtures are (B, C, H, W), ours (B, H, W, C).
static class Golden
{
    /// A case's tensor in our order; other ranks than 4 are the same in both.
    public static float[] ChannelsLast(this FixtureFile file, string name, string tensor)
    {
        (float[] data, int[] shape) = file.Tensor(name, tensor);
        return shape.Length == 4 ? ChannelOrder.ToLast(data, shape[0], shape[1]) : data;
    }

    public static Tensor Load(this FixtureFile file, Tape tape, string name, string tensor)
    {
        int[] shape = file.Tensor(name, tensor).Shape;
        return tape.From(file.ChannelsLast(name, tensor), shape.Length == 4 ? [shape[0], shape[2], shape[3], shape[1]] : shape);
    }

    public static int[] Ids(this FixtureFile file, string name) => Array.ConvertAll(file.Longs(name, "input_ids"), id => (int)id);

    public static string? Op(this FixtureFile file, string name) =>
        file.Attributes(name).TryGetProperty("op", out System.Text.Json.JsonElement op) ? op.GetString() : null;
}
