namespace IlgpuDiffusion.Tests.Fixtures;

/// A file with many cases reports all that fail, not the first.
static class Failures
{
    /// The message of a failed assertion, or nothing.
    public static IEnumerable<string> Of(Action check)
    {
        try
        {
            check();
        }
        catch (Xunit.Sdk.XunitException e)
        {
            return [e.Message];
        }

        return [];
    }
}
