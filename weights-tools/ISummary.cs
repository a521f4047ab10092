namespace IlgpuDiffusion.WeightsTools;

/// What is known of a file: as lines to read, and as properties for JSON.
interface ISummary
{
    IEnumerable<string> Lines();
}
