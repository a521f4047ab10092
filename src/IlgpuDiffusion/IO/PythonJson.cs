using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO;

/// JSON as Python's json module writes it, made valid: a bare NaN or Infinity as a value becomes a string.
static partial class PythonJson
{
    public static string Strict(string json) => BareLiteral().Replace(json, "\"$0\"");

    [GeneratedRegex(@"(?<=[:\[,]\s*)(-?Infinity|NaN)(?=\s*[,}\]])")]
    private static partial Regex BareLiteral();
}
