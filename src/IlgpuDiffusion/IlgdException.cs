namespace IlgpuDiffusion;

/// The one exception family for what a user can get wrong: the message names file, key and number and says what to do.
public sealed class IlgdException : Exception
{
    public IlgdException()
    {
    }

    public IlgdException(string message)
        : base(message)
    {
    }

    public IlgdException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
