using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace IlgpuDiffusion.Kernels.Common;

/// Work that a stream was given while it was captured, ready to run again at the cost of one launch (CUDA driver API, chapter Graph Management). ILGPU 1.5.3 knows no graphs, but shows its streams'
/// handles. **Never run on a GPU.**
sealed partial class CudaGraph : IDisposable
{
    // The collector may free memory of another owner while a stream is captured; in this mode that does not end the capture.
    const int CaptureRelaxed = 2;

    readonly nint executable;

    CudaGraph(nint executable) => this.executable = executable;

    /// What `work` gives to the stream is noted by the driver and not run. `work` must neither wait nor ask for memory.   Errors: <see cref="CudaException"/>
    public static CudaGraph Capture(CudaStream stream, Action work)
    {
        CudaException.ThrowIfFailed(BeginCapture(stream.StreamPtr, CaptureRelaxed));
        nint graph = 0;
        try
        {
            work();
        }
        finally
        {
            // A capture must end, whatever became of the work: else the stream stays unusable.
            CudaException.ThrowIfFailed(EndCapture(stream.StreamPtr, out graph));
        }

        CudaError error = Instantiate(out nint executable, graph, 0);
        CudaException.ThrowIfFailed(DestroyGraph(graph));
        CudaException.ThrowIfFailed(error);
        return new CudaGraph(executable);
    }

    public void Launch(CudaStream stream) => CudaException.ThrowIfFailed(Launch(executable, stream.StreamPtr));

    public void Dispose() => CudaException.ThrowIfFailed(DestroyExecutable(executable));

    [LibraryImport("cuda", EntryPoint = "cuStreamBeginCapture_v2")]
    private static partial CudaError BeginCapture(nint stream, int mode);

    [LibraryImport("cuda", EntryPoint = "cuStreamEndCapture")]
    private static partial CudaError EndCapture(nint stream, out nint graph);

    [LibraryImport("cuda", EntryPoint = "cuGraphInstantiateWithFlags")]
    private static partial CudaError Instantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport("cuda", EntryPoint = "cuGraphLaunch")]
    private static partial CudaError Launch(nint executable, nint stream);

    [LibraryImport("cuda", EntryPoint = "cuGraphExecDestroy")]
    private static partial CudaError DestroyExecutable(nint executable);

    [LibraryImport("cuda", EntryPoint = "cuGraphDestroy")]
    private static partial CudaError DestroyGraph(nint graph);
}
