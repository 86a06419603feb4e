//! The report as one HTML page that stands alone. It is well-formed XML as well.

use super::model::{Examined, Kind, Report};
use crate::draw::frame::Page;
use crate::draw::words::{count, escape, fit};

/// Columns of a cell; the rest of a longer one is cut.
const CELL: usize = 400;
/// Names that are shown of a list.
const SHOWN: usize = 200;

const RULES: &str = "\
.scroll table{min-width:34rem}
td.n{white-space:nowrap;text-align:right}
td.v,h2 .v{font-weight:600;white-space:nowrap}
section ul{padding-left:1.2rem}
pre{overflow-x:auto;padding:.5rem .7rem;border:1px solid;border-radius:4px}
@media print{section{break-inside:auto}h2,summary{break-after:avoid}tr{break-inside:avoid}}
";

/// Writes the page.
pub fn html(report: &Report) -> String {
    let mut page = Page::open("Migration report", "Migration report", "Skip to the files", RULES);
    page.tag("p class=\"lead\"", &report.summary());
    if let Some(cut) = &report.cut {
        page.tag("p class=\"meta\"", &format!("Not everything was looked at: {cut}."));
    }
    page.put("</header>\n<main id=\"main\">\n<section aria-labelledby=\"all\">\n");
    page.tag("h2 id=\"all\"", "All files");
    page.put("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"All files\"><table>\n<thead><tr>");
    for head in ["verdict", "file", "what", "bytes", "why"] {
        page.tag("th scope=\"col\"", head);
    }
    page.put("</tr></thead>\n<tbody>\n");
    for (i, file) in report.files.iter().enumerate() {
        page.put("<tr>");
        page.tag("td class=\"v\"", file.verdict.name());
        page.put(&format!("<td><a href=\"#f{i}\">{}</a></td>", escape(&fit(&file.path, CELL))));
        page.tag("td", &kind(file));
        page.tag("td class=\"n\"", &crate::draw::words::number(file.size as u64));
        page.tag("td", &fit(&file.why, CELL));
        page.put("</tr>\n");
    }
    page.put("</tbody></table></div>\n</section>\n");
    for (i, file) in report.files.iter().enumerate() {
        section(&mut page, i, file);
    }
    page.close()
}

fn kind(file: &Examined) -> String {
    let kind = match file.kind {
        Kind::Module => "core module",
        Kind::Component => "component",
    };
    if file.what.is_empty() { kind.to_owned() } else { format!("{kind}, {}", file.what) }
}

fn section(page: &mut Page, i: usize, file: &Examined) {
    page.put(&format!("<section id=\"f{i}\" aria-labelledby=\"f{i}h\">\n"));
    page.tag(&format!("h2 id=\"f{i}h\""), &fit(&file.path, CELL));
    page.put("<p><span class=\"v\">");
    page.put(&escape(file.verdict.name()));
    page.put("</span>: ");
    page.put(&escape(&fit(&file.why, CELL)));
    page.put(".</p>\n");
    let by = if file.toolchain.is_empty() { String::new() } else { format!("; made by {}", file.toolchain.join(", ")) };
    page.tag("p class=\"meta\"", &fit(&format!("{}, {}{by}", kind(file), count(file.size as u64, "byte")), CELL));
    let tried = file.tried.iter().map(|attempt| match (&attempt.size, &attempt.refused) {
        (Some(size), _) => format!("{}: {}, valid", attempt.step, count(*size as u64, "byte")),
        (None, refused) => format!("{}: {}", attempt.step, refused.as_deref().unwrap_or_default()),
    });
    items(page, "What was tried", tried);
    items(page, "What changes", file.changes.iter().map(|change| format!("{}: {}", change.id, change.what)));
    items(page, "What helps", file.hints.iter().cloned());
    if !file.commands.is_empty() {
        page.tag("h3", "Commands");
        page.put("<pre>");
        file.commands.iter().for_each(|command| page.put(&format!("{}\n", escape(command))));
        page.put("</pre>\n");
    }
    page.put("<details><summary>Imports and exports</summary>\n");
    items(page, "Imports", file.imports.iter().map(|of| format!("{}: {}", of.module, of.functions.join(", "))));
    items(page, "Exports", file.exports.iter().cloned());
    page.put("</details>\n</section>\n");
}

fn items(page: &mut Page, title: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    page.tag("h3", title);
    page.put("<ul>\n");
    for item in items.by_ref().take(SHOWN) {
        page.tag("li", &fit(&item, CELL));
    }
    let more = items.count();
    if more > 0 {
        page.tag("li", &format!("… {} more", count(more as u64, "name")));
    }
    page.put("</ul>\n");
}
