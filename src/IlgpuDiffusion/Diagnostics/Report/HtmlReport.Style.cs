namespace IlgpuDiffusion.Diagnostics.Report;

/// The page's look, kept apart from what it says.
public static partial class HtmlReport
{
    const string Style = """

        :root{--page:#f7f8fa;--card:#fff;--ink:#1c2430;--dim:#667085;--line:#e6e8ec;--accent:#2563eb;--good:#0b7a5e;--bad:#b42318;
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
        @media(prefers-color-scheme:dark){:root{--page:#12161c;--card:#1a2028;--ink:#e7eaf0;--dim:#98a2b3;--line:#2b323d;--accent:#6ea2ff;
        --good:#3fcfa8;--bad:#ff8d80}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--ink)}
        main{max-width:1160px;margin:0 auto;padding:clamp(20px,5vw,64px) clamp(16px,4vw,40px)}
        header{display:flex;flex-wrap:wrap;gap:clamp(20px,4vw,48px);align-items:center}
        header>div{flex:1 1 320px}
        h1{font-size:clamp(1.9rem,4.5vw,2.9rem);line-height:1.12;letter-spacing:-.022em;margin:0;text-wrap:balance}
        h2{font-size:1.15rem;letter-spacing:-.01em;margin:0 0 14px}
        h2 small{font-size:.85rem;font-weight:400;letter-spacing:0;margin-left:6px}
        small,.lead,figcaption,dt{color:var(--dim)}
        .lead{font-size:1.1rem;margin:10px 0 0;max-width:60ch}
        section{margin-top:clamp(32px,5vw,56px);min-width:0}
        figure{margin:0}
        figcaption{font-size:.9rem;margin-top:8px;overflow-wrap:anywhere}
        img{display:block;max-width:100%;height:auto;border-radius:10px;background:var(--line)}
        .pixels{image-rendering:pixelated}
        .facts{display:flex;flex-wrap:wrap;gap:12px 40px;margin:26px 0 0}
        .facts dd{margin:0;font-size:1.5rem;font-weight:650;letter-spacing:-.02em;line-height:1.2;font-variant-numeric:tabular-nums}
        .facts dt{font-size:.85rem}
        .gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--cell)),max-content));gap:28px 18px}
        .pairs{column-gap:32px}
        .gallery figcaption{color:var(--ink);max-width:var(--cell)}
        .pair{display:flex;gap:12px}
        .pair>*{min-width:0}
        .pair small{display:block;font-size:.8rem;margin-top:4px}
        .pair>div+div img{opacity:.92}
        .card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:10px 18px;overflow-x:auto}
        .card svg{display:block;width:100%;height:auto;padding:8px 0}
        .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:0 32px}
        table{width:100%;border-collapse:collapse;font-size:.95rem}
        th,td{text-align:left;padding:9px 0;border-bottom:1px solid var(--line);vertical-align:baseline}
        th{font-size:.8rem;font-weight:500;color:var(--dim)}
        tr:last-child td{border-bottom:0}
        .n{text-align:right;padding-left:20px;white-space:nowrap;font-variant-numeric:tabular-nums}
        .total td{font-weight:600}
        .good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
        .bar{height:4px;margin-top:5px;border-radius:2px;background:var(--line)}
        .bar i{display:block;height:100%;min-width:2px;border-radius:2px;background:var(--accent)}
        code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
        .settings{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,240px),1fr));gap:0 32px;margin:0}
        .settings div{display:flex;justify-content:space-between;gap:16px;padding:8px 0;border-bottom:1px solid var(--line);font-size:.95rem}
        .settings dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
        .remark{color:var(--dim);max-width:90ch;margin:14px 0 0}
        .scores small{display:block;font-size:.75rem;line-height:1.3}
        .pictures{width:auto}.pictures th,.pictures td{padding:4px 6px;border:0;vertical-align:bottom;font-size:.75rem;min-width:76px}
        .pictures img{border-radius:6px}
        .pictures tr>:first-child{position:sticky;left:0;background:var(--card);min-width:132px}
        .card+.card{margin-top:18px}
        @media print{:root{font-size:12px}section,figure{break-inside:avoid}}

        """;
}
