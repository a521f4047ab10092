using System.Diagnostics;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tests.Personalization;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Cli;

/// Whatever is wrong: one clear line, exit code 1 (2 for wrong usage), nothing left behind.
public sealed class ErrorTests(TinyModel model) : IClassFixture<TinyModel>
{
    [Fact]
    public void A_directory_without_a_model() => Fails("no model_index.json", "personalize", model.Photo, "--model", Folder("empty"));

    [Fact]
    public void A_directory_that_is_not_there() => Fails("no such folder", "generate", "--prompt", "a face", "--model", "/nowhere/model");

    [Fact]
    public void A_text_file_named_png()
    {
        string path = Path.Combine(model.Root, "text.png");
        File.WriteAllText(path, "this is no picture\n");
        Fails("text.png: not a picture", "personalize", path, "--model", model.Folder);
    }

    [Fact]
    public void A_photo_of_one_pixel()
    {
        string path = Path.Combine(model.Root, "one.png");
        ImageFile.SavePng(path, new RgbImage(1, 1));
        Fails("1 x 1", "personalize", path, "--model", model.Folder);
    }

    [Fact]
    public void A_prompt_of_ten_thousand_characters()
    {
        string prompt = string.Concat(Enumerable.Repeat("a face ", 1500))[..10_000];
        Fails("tokens", "personalize", model.Photo, "--model", model.Folder, "--prompt", prompt);
        Fails("tokens", "generate", "--model", model.Folder, "--prompt", prompt);
    }

    [Fact]
    public void A_missing_adapter() =>
        Fails("nowhere.safetensors: no such file", "generate", "--model", model.Folder, "--prompt", "a face", "--adapter", "nowhere.safetensors:0.5");

    [Fact]
    public void A_checkpoint_that_was_cut_short()
    {
        string folder = Copy("cut");
        string weights = Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors");
        using (FileStream file = File.OpenWrite(weights))
            file.SetLength(file.Length / 2);
        Fails("diffusion_pytorch_model.safetensors: not a valid safetensors file", "generate", "--prompt", "a face", "--model", folder);
    }

    [Fact]
    public void A_variant_that_is_not_there_falls_back_and_the_plain_file_that_is_not_there_names_the_variant()
    {
        string folder = Copy("variant");
        File.Move(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"), Path.Combine(folder, "unet", "diffusion_pytorch_model.fp16.safetensors"));
        Fails("ask for variant fp16", "generate", "--prompt", "a face", "--model", folder);
        Captured run = Captured.Ilgd("generate", "--prompt", "a face", "--model", folder, "--variant", "fp16", "--steps", "1", "--threads", "1", "--out", model.NewPlace());
        Assert.True(run.Code == 0, run.Error);
    }

    [Fact]
    public void A_tokenizer_of_another_model()
    {
        string folder = Copy("tokenizer");
        string vocabulary = Path.Combine(folder, "tokenizer", "vocab.json");
        File.WriteAllText(vocabulary, "{ \"another</w>\": 49405," + File.ReadAllText(vocabulary).TrimStart()[1..]);
        Fails("the tokenizer has 49406 tokens, the text_encoder knows", "generate", "--prompt", "a face", "--model", folder);
    }

    [Fact]
    public void A_pickled_checkpoint()
    {
        string folder = Copy("pickle");
        File.Move(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"), Path.Combine(folder, "unet", "diffusion_pytorch_model.bin"));
        Fails("diffusion_pytorch_model.bin: a pickle", "generate", "--prompt", "a face", "--model", folder);
        string lora = Path.Combine(model.Root, "pytorch_lora_weights.bin");
        File.WriteAllBytes(lora, new byte[64]);
        Fails("pytorch_lora_weights.bin: a pickle", "generate", "--prompt", "a face", "--model", model.Folder, "--adapter", lora);
    }

    [Fact]
    public void A_single_file_without_configs() => Fails(
        "name a folder in diffusers' layout", "generate", "--prompt", "a face", "--model", Path.Combine(model.Folder, "unet", "diffusion_pytorch_model.safetensors"));

    [Fact]
    public void A_LoRA_of_another_architecture()
    {
        string path = Path.Combine(model.Root, "other.safetensors");
        const string module = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
        SafetensorsWriter writer = new();
        writer.Add($"{module}.lora_down.weight", [2, 768], new float[2 * 768]);
        writer.Add($"{module}.lora_up.weight", [320, 2], new float[2 * 320]);
        writer.Write(path);
        Fails("made for another model, 0 of 1 modules matched", "generate", "--prompt", "a face", "--model", model.Folder, "--adapter", path);
    }

    [Fact]
    public void Graphs_where_nothing_is_launched() => Fails("--graphs: the device cpu calls its kernels", "personalize", model.Photo, "--model", model.Folder, "--graphs");

    [Fact]
    public void An_unknown_device() => Fails("unknown device 'tpu'", "personalize", model.Photo, "--model", model.Folder, "--device", "tpu");

    [Fact]
    public void A_folder_that_cannot_be_written()
    {
        Captured run = Captured.Ilgd("personalize", model.Photo, "--model", model.Folder, "--out", "/proc/nothing/here");
        Assert.Equal(1, run.Code);
        Assert.Contains("/proc/nothing/here: cannot be written", run.OneLine());
    }

    [Fact]
    public void An_out_folder_that_is_a_file()
    {
        Captured run = Captured.Ilgd("personalize", model.Photo, "--model", model.Folder, "--out", model.Photo);
        Assert.Equal(1, run.Code);
        Assert.Contains("is a file", run.OneLine());
    }

    [Fact]
    public void A_full_disk()
    {
        string disk = Path.Combine(model.Root, "disk");
        Directory.CreateDirectory(disk);
        if (!OperatingSystem.IsLinux() || Shell("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk) != 0)
            Assert.Skip("a small disk can be mounted by root on Linux only");
        try
        {
            Captured run = Captured.Ilgd([.. Quick("personalize", model.Photo, "--model", model.Folder, "--out", Path.Combine(disk, "out"))]);
            Assert.Equal(1, run.Code);
            Assert.Contains("cannot be written", run.OneLine());
            Assert.Empty(Directory.EnumerateFileSystemEntries(disk));
        }
        finally
        {
            Shell("umount", disk);
        }
    }

    [Fact]
    public void A_person_without_a_picture()
    {
        string people = Folder("without");
        Directory.CreateDirectory(Path.Combine(people, "anna"));
        Fails("anna: holds no picture", "evaluate", "--people", people, "--methods", "lora", "--model", model.Folder);
    }

    [Fact]
    public void A_person_with_one_picture_that_cannot_be_read()
    {
        string people = Folder("unreadable"), anna = Path.Combine(people, "anna");
        Directory.CreateDirectory(anna);
        File.Copy(model.Photo, Path.Combine(anna, "neutral.png"));
        File.WriteAllText(Path.Combine(anna, "smiling.png"), "this is no picture\n");
        Fails("smiling.png: not a picture", "evaluate", "--people", people, "--methods", "lora", "--model", model.Folder);
    }

    [Fact]
    public void A_folder_of_people_that_holds_none() => Fails("holds no folder", "evaluate", "--people", Folder("nobody"), "--methods", "lora", "--model", model.Folder);

    [Fact]
    public void A_judge_that_is_not_there()
    {
        string people = Folder("judged");
        Directory.CreateDirectory(Path.Combine(people, "anna"));
        File.Copy(model.Photo, Path.Combine(people, "anna", "neutral.png"));
        Fails("/nowhere/face: no such folder", "evaluate", "--people", people, "--methods", "lora", "--model", model.Folder, "--face-encoder", "/nowhere/face");
        Fails("/nowhere/clip: no such folder", "evaluate", "--people", people, "--methods", "lora", "--model", model.Folder, "--clip", "/nowhere/clip");
    }

    [Fact]
    public void A_prompt_that_asks_for_what_nobody_knows()
    {
        string prompts = Path.Combine(model.Root, "odd.txt");
        File.WriteAllText(prompts, "a [V] face | style: cubist\n");
        Fails("style 'cubist' is not one of none, pencil-sketch", "evaluate", "--people", model.Root, "--methods", "lora", "--prompts", prompts, "--model", model.Folder);
    }

    [Theory]
    [InlineData("personalize")]
    [InlineData("personalize", "photo.png", "--method", "magic")]
    [InlineData("personalize", "photo.png", "--steps", "0")]
    [InlineData("personalize", "photo.png", "--rank", "17")]
    [InlineData("personalize", "photo.png", "--crop", "1,2")]
    [InlineData("generate")]
    [InlineData("generate", "--prompt", "x", "--scheduler", "magic")]
    [InlineData("generate", "--prompt", "x", "--steps", "many")]
    [InlineData("evaluate")]
    [InlineData("evaluate", "--people", "x", "--methods", "lora,magic", "--out", "y")]
    [InlineData("evaluate", "--people", "x", "--methods", "lora@rank=0", "--out", "y")]
    [InlineData("evaluate", "--people", "x", "--methods", "lora,only-hyper", "--swapped", "k1", "--out", "y")]
    [InlineData("evaluate", "--people", "x", "--methods", "lora", "--curve", "5,many", "--out", "y")]
    [InlineData("train")]
    [InlineData("train", "hypernetwork", "--out", "y")]
    [InlineData("train", "hypernetwork", "--from", "x", "--preset", "paper", "--out", "y")]
    [InlineData("fly")]
    [InlineData]
    public void Wrong_usage_is_two_and_points_to_help(params string[] args)
    {
        Captured run = Captured.Ilgd(args);
        Assert.Equal(2, run.Code);
        Assert.Contains("--help", run.OneLine());
    }

    [Fact]
    public void A_stack_trace_is_shown_on_request_only()
    {
        Captured run = Captured.Ilgd("personalize", "nowhere.png", "--model", model.Folder, "--out", model.NewPlace(), "--verbose");
        Assert.Equal(1, run.Code);
        Assert.Contains("   at ", run.Error);
    }

    [Fact]
    public void The_process_itself_ends_with_these_codes()
    {
        Assert.Equal(1, Process("personalize", "nowhere.png", "--model", model.Folder, "--out", model.NewPlace()));
        Assert.Equal(2, Process("personalize"));
        Assert.Equal(0, Process("devices", "--json"));
    }

    [Fact]
    public void An_interrupted_process_ends_with_130_and_leaves_nothing()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("sends a signal by kill");
        string place = model.NewPlace();
        using Process process = Start("personalize", model.Photo, "--model", model.Folder, "--steps", "100000", "--sampling-steps", "2", "--out", place);
        string partial = $"{place}.partial-{process.Id}";
        for (int i = 0; i < 300 && !Directory.Exists(partial) && !process.HasExited; i++)
            Thread.Sleep(100);
        Thread.Sleep(500);
        Assert.False(process.HasExited, "it ended by itself");
        Shell("kill", "-INT", $"{process.Id}");
        Assert.True(process.WaitForExit(60_000), "it did not end");
        Assert.Equal(130, process.ExitCode);
        Assert.False(Directory.Exists(place) || Directory.Exists(partial));
    }

    void Fails(string said, params string[] args)
    {
        string place = model.NewPlace();
        string[] before = Directory.GetFileSystemEntries(model.Root);
        Captured run = Captured.Ilgd([.. Quick(args), "--out", place]);
        Assert.Equal(1, run.Code);
        Assert.Contains(said, run.OneLine());
        Assert.Equal(before, Directory.GetFileSystemEntries(model.Root));
    }

    static string[] Quick(params string[] args) =>
        args[0] == "personalize" ? [.. args, "--steps", "1", "--sampling-steps", "1", "--threads", "1"] : [.. args, "--threads", "1"];

    // The model, to break something in.
    string Copy(string name)
    {
        string folder = Folder(name);
        foreach (string file in Directory.GetFiles(model.Folder, "*", SearchOption.AllDirectories))
        {
            string place = Path.Combine(folder, Path.GetRelativePath(model.Folder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Copy(file, place);
        }

        return folder;
    }

    string Folder(string name) => Directory.CreateDirectory(Path.Combine(model.Root, name)).FullName;

    static int Process(params string[] args)
    {
        using Process process = Start(args);
        process.WaitForExit();
        return process.ExitCode;
    }

    static Process Start(params string[] args)
    {
        ProcessStartInfo start = new(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "ilgd.dll"));
        foreach (string arg in args)
            start.ArgumentList.Add(arg);
        Process process = System.Diagnostics.Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    static int Shell(string program, params string[] args)
    {
        using Process process = System.Diagnostics.Process.Start(new ProcessStartInfo(program, args) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
