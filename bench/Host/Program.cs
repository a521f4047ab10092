using BenchmarkDotNet.Running;

// dotnet run -c Release --project bench/Host -- --filter '*' [--job short]
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
