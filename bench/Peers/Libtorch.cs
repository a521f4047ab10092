using System.Runtime.InteropServices;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers;

/// libtorch, through TorchSharp's library beside this program.
static class Libtorch
{
    /// Errors: one line with the loader's own words, which name the missing library or symbol version.
    public static void Load(int threads)
    {
        string library = Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so");
        try
        {
            NativeLibrary.Load(library);
            Torch.set_num_threads(threads);
        }
        catch (Exception e) when (e is DllNotFoundException or NotSupportedException or TypeInitializationException)
        {
            string reason = e.Message.ReplaceLineEndings(" ").Trim();
            throw new IlgdException($"libtorch cannot be loaded: {reason} (on Debian 12: install g++, python3 and patchelf, then build again)", e);
        }
    }
}
