using System.Reflection;
using System.Text.RegularExpressions;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tests;

/// The direction of dependencies that README.md draws: a layer may use those before it, never those after.
public partial class DependencyTests
{
    static readonly string[] Layers = ["Tensors", "Autograd", "Ops", "Nn", "Models", "Diffusion", "Adapters", "Personalization"];

    [Fact]
    public void Kernels_reference_ilgpu_and_the_framework_alone()
    {
        string[] allowed = ["ILGPU", "ILGPU.Algorithms", "System.", "netstandard", "mscorlib"];
        AssemblyName[] references = typeof(KernelContext).Assembly.GetReferencedAssemblies();
        Assert.NotEmpty(references);
        Assert.All(references, r => Assert.Contains(allowed, a => r.Name == a || (a.EndsWith('.') && r.Name!.StartsWith(a, StringComparison.Ordinal))));
    }

    [Fact]
    public void No_layer_uses_one_that_stands_on_it()
    {
        string source = Path.Combine(Repository(), "src", "IlgpuDiffusion");
        List<string> wrong = [];
        int read = 0;
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(source, Layers[layer]), "*.cs", SearchOption.AllDirectories))
            {
                read++;
                foreach (Match match in Named().Matches(File.ReadAllText(file)))
                {
                    if (Array.IndexOf(Layers, match.Groups[1].Value) > layer)
                        wrong.Add($"{Path.GetRelativePath(source, file)} uses {match.Groups[1].Value}");
                }
            }
        }

        Assert.True(read > 50, $"only {read} source files were found under {source}");
        Assert.Empty(wrong);
    }

    [Fact]
    public void The_library_does_not_know_the_programs()
    {
        Assert.DoesNotContain(typeof(IlgdException).Assembly.GetReferencedAssemblies(), r => r.Name is "ilgd" or "weights-tools" or "System.CommandLine" or "Spectre.Console");
    }

    static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "IlgpuDiffusion.sln")))
            folder = folder.Parent;
        if (folder is null)
            Assert.Skip("the sources are not beside the tests");
        return folder.FullName;
    }

    [GeneratedRegex(@"\bIlgpuDiffusion\.([A-Z]\w*)")]
    private static partial Regex Named();
}
