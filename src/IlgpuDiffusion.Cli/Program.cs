return IlgpuDiffusion.Cli.Ilgd.Run(args, Console.Out, Console.Error);
