namespace IlgpuDiffusion.Adapters;

/// Something that can be put on a model and taken off again, bit for bit.
public interface IAdaptation
{
    void Attach();

    void Detach();
}
