using System.Globalization;
using System.Text.RegularExpressions;

namespace IlgpuDiffusion.Kernels.Simulation;

/// Reads the text of one kernel as ILGPU writes it: parameters, `.reg`, `.shared` and `.local` declarations, labels, instructions with an optional guard.
/// Errors: a directive, operand or instruction that is not known is named with its line.
public sealed partial class PtxParser
{
    /// Shared and local memory in the generic address space; global addresses are the host's own and lie far below.
    internal const ulong SharedWindow = 1UL << 56;
    internal const ulong LocalWindow = 1UL << 57;

    readonly PtxKernel kernel;
    readonly Dictionary<string, int> labels = [];
    readonly Dictionary<ulong, int> constants = [];
    readonly Dictionary<string, ulong> symbols = [];

    PtxParser(string name, string text) => kernel = new PtxKernel(name, text);

    public static PtxKernel Parse(string text)
    {
        Match entry = Entry().Match(text);
        if (!entry.Success)
            throw new PtxException("the text holds no '.visible .entry NAME( … ) { … }'");
        PtxParser parser = new(entry.Groups[1].Value, text);
        foreach (Match shared in ExternShared().Matches(text[..entry.Index]))
            parser.symbols[shared.Groups[1].Value] = PtxSymbols.Dynamic;
        parser.Parameters(entry.Groups[2].Value);
        int body = entry.Index + entry.Length;
        parser.Body(text[body..text.LastIndexOf('}')], text.AsSpan(0, body).Count('\n') + 1);
        return parser.kernel;
    }

    void Parameters(string text)
    {
        int offset = 0;
        foreach (Match p in Parameter().Matches(text))
        {
            int size = PtxType.Bytes(p.Groups[2].Value);
            int align = p.Groups[1].Success ? int.Parse(p.Groups[1].Value) : size;
            int bytes = p.Groups[4].Success ? size * int.Parse(p.Groups[4].Value) : size;
            offset = (offset + align - 1) / align * align;
            kernel.Parameters.Add(new PtxParameter(p.Groups[3].Value, offset, bytes));
            symbols[p.Groups[3].Value] = (ulong)offset;
            offset += bytes;
        }
    }

    void Body(string text, int line)
    {
        foreach ((string statement, int at) in Statements(text, line))
        {
            try
            {
                if (statement.EndsWith(':'))
                    labels[statement[..^1].Trim()] = kernel.Instructions.Count;
                else if (statement.StartsWith('.'))
                    Declare(statement);
                else
                    kernel.Instructions.Add(Instruction(statement, at));
            }
            catch (PtxException e)
            {
                throw new PtxException($"{kernel.Name}, line {at}: {e.Message}");
            }
        }

        foreach (PtxInstruction i in kernel.Instructions)
        {
            if (i.Label is not null)
                i.Target = labels.TryGetValue(i.Label, out int target) ? target : throw new PtxException($"{kernel.Name}, {i}: label '{i.Label}' is not there");
        }
    }

    // Statements end with ';', labels with ':'; a brace outside a statement only opens a scope, which here keeps no names apart.
    static IEnumerable<(string Statement, int Line)> Statements(string text, int line)
    {
        int begin = 0, started = line, depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '/' && i + 1 < text.Length && text[i + 1] == '/')
            {
                i = text.IndexOf('\n', i) - 1;
                begin = i + 1;
                continue;
            }

            bool blank = text.AsSpan(begin, i - begin).IsWhiteSpace();
            if (c == '\n')
                line++;
            if (blank && !char.IsWhiteSpace(c))
                started = line;
            if (blank && c is '{' or '}' && depth == 0)
            {
                begin = i + 1;
                continue;
            }

            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (c is not (';' or ':') || depth != 0)
                continue;
            string statement = text[begin..(c == ':' ? i + 1 : i)].Trim();
            if (statement.Length > 0)
                yield return (statement, started);
            begin = i + 1;
        }
    }

    void Declare(string statement)
    {
        Match register = Register().Match(statement), memory = Memory().Match(statement);
        if (register.Success)
        {
            foreach (string name in register.Groups[1].Value.Split(','))
            {
                Match many = Many().Match(name.Trim());
                if (!many.Success)
                    kernel.Registers.TryAdd(name.Trim(), kernel.Slots++);
                for (int i = 0; many.Success && i < int.Parse(many.Groups[2].Value); i++)
                    kernel.Registers.Add($"{many.Groups[1].Value}{i}", kernel.Slots++);
            }
        }
        else if (memory.Success)
        {
            bool shared = memory.Groups[1].Value == "shared";
            int align = int.Parse(memory.Groups[2].Value), bytes = int.Parse(memory.Groups["bytes"].Value) * PtxType.Bytes(memory.Groups[3].Value);
            int used = shared ? kernel.SharedBytes : kernel.LocalBytes;
            int offset = (used + align - 1) / align * align;
            symbols[memory.Groups["name"].Value] = (ulong)offset;
            if (shared)
                kernel.SharedBytes = offset + bytes;
            else
                kernel.LocalBytes = offset + bytes;
        }
        else if (!statement.StartsWith(".loc", StringComparison.Ordinal) && !statement.StartsWith(".pragma", StringComparison.Ordinal))
        {
            throw new PtxException($"'{statement}' is a directive that ptx-sim does not know");
        }
    }

    PtxInstruction Instruction(string statement, int line)
    {
        int guard = -1;
        string rest = statement;
        bool negated = false;
        if (rest.StartsWith('@'))
        {
            int end = rest.IndexOfAny([' ', '\t']);
            negated = rest[1] == '!';
            guard = Slot(rest[(negated ? 2 : 1)..end]);
            rest = rest[end..].Trim();
        }

        int space = rest.IndexOfAny([' ', '\t']);
        string opcode = space < 0 ? rest : rest[..space];
        string operands = space < 0 ? "" : rest[space..].Trim();
        bool branch = opcode.StartsWith("bra", StringComparison.Ordinal);
        List<int> slots = [];
        long offset = 0;
        int addressAt = -1;
        foreach (Match part in branch ? [] : Operands().Matches(operands).Cast<Match>())
        {
            string operand = part.Value;
            if (!operand.StartsWith('['))
            {
                slots.Add(Slot(operand));
                continue;
            }

            Match address = Address().Match(operand);
            if (!address.Success)
                throw new PtxException($"'{operand}' is an address that ptx-sim does not know");
            int first = slots.Count;
            if (addressAt < 0)
                (addressAt, offset) = (first, address.Groups[2].Success ? long.Parse(address.Groups[2].Value) : 0);
            slots.Add(Slot(address.Groups[1].Value));
        }

        PtxInstruction instruction = new(opcode, statement, line)
        {
            Guard = guard,
            GuardNegated = negated,
            Slots = [.. slots],
            Offset = offset,
            AddressAt = addressAt,
            Label = branch ? operands : null,
        };
        PtxDecoder.Decode(instruction);
        return instruction;
    }

    int Slot(string operand)
    {
        if (kernel.Registers.TryGetValue(operand, out int slot))
            return slot;
        if (operand.StartsWith('%'))
        {
            kernel.Registers.Add(operand, kernel.Slots);
            return PtxSymbols.Special.Contains(operand) ? kernel.Slots++ : throw new PtxException($"register '{operand}' is not declared");
        }

        ulong value = symbols.TryGetValue(operand, out ulong symbol) ? symbol : Constant(operand);
        if (!constants.TryGetValue(value, out slot))
        {
            constants.Add(value, slot = kernel.Slots++);
            kernel.Constants.Add((slot, value));
        }

        return slot;
    }

    static ulong Constant(string text) => text switch
    {
        ['0', 'f' or 'F', .. string hex] => ulong.Parse(hex, NumberStyles.HexNumber),
        ['0', 'd' or 'D', .. string hex] => ulong.Parse(hex, NumberStyles.HexNumber),
        ['0', 'x' or 'X', .. string hex] => ulong.Parse(hex, NumberStyles.HexNumber),
        _ when long.TryParse(text, out long number) => (ulong)number,
        _ when ulong.TryParse(text, out ulong number) => number,
        _ => throw new PtxException($"'{text}' is an operand that ptx-sim does not know"),
    };

    [GeneratedRegex(@"\.visible\s+\.entry\s+(\w+)\s*\((.*?)\)[^{]*\{", RegexOptions.Singleline)]
    private static partial Regex Entry();

    [GeneratedRegex(@"\.extern\s+\.shared[^;]*?(\w+)\[\];")]
    private static partial Regex ExternShared();

    [GeneratedRegex(@"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+(\w+)(?:\[(\d+)\])?")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"^\.reg\s+\.\w+\s+(.+)$")]
    private static partial Regex Register();

    [GeneratedRegex(@"^([%\w]+)<(\d+)>$")]
    private static partial Regex Many();

    [GeneratedRegex(@"^\.(shared|local)\s+\.align\s+(\d+)\s+\.(\w+)\s+(?<name>\w+)\[(?<bytes>\d+)\]$")]
    private static partial Regex Memory();

    [GeneratedRegex(@"\[[^\]]+\]|[^\s,{}|]+")]
    private static partial Regex Operands();

    [GeneratedRegex(@"^\[\s*([%\w]+)\s*(?:\+\s*(-?\d+))?\s*\]$")]
    private static partial Regex Address();
}
