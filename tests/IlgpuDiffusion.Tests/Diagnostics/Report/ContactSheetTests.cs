using IlgpuDiffusion.Diagnostics.Report;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.Diagnostics.Report;

public sealed class ContactSheetTests
{
    [Fact]
    public void Pictures_lie_in_reading_order_between_margins()
    {
        RgbImage sheet = ContactSheet.Make([Flat(1), Flat(2), Flat(3)], columns: 2);

        // 64 pixels each, margin 4: two columns and two rows.
        Assert.Equal((4 + 2 * 68, 4 + 2 * 68), (sheet.Width, sheet.Height));
        Assert.Equal([1, 2, 3], [At(sheet, 4, 4), At(sheet, 72, 4), At(sheet, 4, 72)]);
        Assert.Equal([1, 3], [At(sheet, 67, 67), At(sheet, 67, 135)]);
        Assert.Equal([250, 250, 250], [At(sheet, 3, 4), At(sheet, 68, 4), At(sheet, 72, 72)]);
    }

    [Fact]
    public void A_label_is_ink_under_its_picture_and_nowhere_else()
    {
        RgbImage sheet = ContactSheet.Make([Flat(200), Flat(200)], columns: 2, labels: ["I", ""]);

        // The letter's stem: third column of its cell, just below the picture.
        Assert.Equal(40, At(sheet, 4 + 2, 4 + 64 + 2 + 3));
        for (int y = 0; y < sheet.Height; y++)
        {
            for (int x = 72; x < sheet.Width; x++)
                Assert.NotEqual(40, At(sheet, x, y));
        }
    }

    [Fact]
    public void Long_labels_wrap_to_three_lines_and_any_character_is_drawn()
    {
        RgbImage three = ContactSheet.Make([Flat(1)], 1, ["one two six ten a"]);
        RgbImage many = ContactSheet.Make([Flat(1)], 1, ["ein Bild von [V] über den Dächern, 日本, pneumonoultramicroscopicsilicovolcanoconiosis"]);

        Assert.Equal(4 + 64 + 2 * 10 + 2 + 4, three.Height);
        Assert.Equal(4 + 64 + 3 * 10 + 2 + 4, many.Height);
    }

    [Fact]
    public void Different_sizes_and_missing_labels_are_refused_by_number()
    {
        Assert.Contains("image 1 is 8 x 8", Assert.Throws<IlgdException>(() => ContactSheet.Make([Flat(1), new RgbImage(8, 8)], 2)).Message);
        Assert.Contains("1 labels for 2", Assert.Throws<IlgdException>(() => ContactSheet.Make([Flat(1), Flat(1)], 2, ["a"])).Message);
        Assert.Contains("0 images", Assert.Throws<IlgdException>(() => ContactSheet.Make([], 2)).Message);
    }

    static RgbImage Flat(byte value)
    {
        RgbImage image = new(64, 64);
        Array.Fill(image.Pixels, value);
        return image;
    }

    static byte At(RgbImage image, int x, int y) => image.Pixels[3 * (y * image.Width + x)];
}
