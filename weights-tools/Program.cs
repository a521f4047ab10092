return IlgpuDiffusion.WeightsTools.Tools.Run(args, Console.Out, Console.Error);
