//! The sheet as one SVG file that stands alone.

use super::call::call;
use super::figure::{Head, area, legend};
use super::palette::figure_css;
use super::pen::{At, Block, Pen, SMALL, TITLE};
use super::sheet::Sheet;
use super::text::measure;
use super::words::{count, escape};

/// Space around and between figures.
const MARGIN: i64 = 32;
/// Figures that the description names.
const NAMED: usize = 100;

/// Hatching and arrow heads; once in a file.
pub(super) const DEFS: &str = "\
<defs><pattern id=\"gap\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<path class=\"stripe\" d=\"M0 0V6\"/></pattern>\
<marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
<path class=\"tip\" d=\"M0 .5L7.5 4L0 7.5Z\"/></marker></defs>\n";

/// Draws the sheet, for light and dark.
pub fn svg(sheet: &Sheet) -> String {
    let figures: Vec<Block> = sheet
        .types
        .iter()
        .map(|a| area(a, Head::Shown))
        .chain(sheet.functions.iter().map(|c| call(c, Head::Shown)))
        .collect();
    let legend = legend();
    let widest = figures.iter().map(|f| f.width).max().unwrap_or(0).max(legend.width).max(560);
    let mut pen = Pen::default();
    let mut y = MARGIN;
    pen.text([0, y + 18, widest], At::Start, (TITLE, ""), &sheet.title);
    pen.text([0, y + 40, widest], At::Start, (SMALL, "quiet"), &summary(sheet));
    pen.place(0, y + 58, &legend);
    y += 58 + legend.height + 24;
    for figure in &figures {
        pen.place(0, y, figure);
        y += figure.height + MARGIN - 8;
    }
    let (width, height) = (widest + 2 * MARGIN, y + 8);
    let body = pen.block(width, height).body;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" aria-labelledby=\"title desc\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>\n{}</style>\n{DEFS}\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <g transform=\"translate({MARGIN} 0)\">\n{body}</g>\n</svg>\n",
        escape(&format!("Memory layout of {}", sheet.title)),
        escape(&description(sheet)),
        figure_css(),
    )
}

/// What the sheet is.
pub(super) fn summary(sheet: &Sheet) -> String {
    let (types, functions) = (sheet.types.len() as u64, sheet.functions.len() as u64);
    let what = match (types, functions) {
        (_, 0) => count(types, "type"),
        (0, _) => count(functions, "function"),
        _ => format!("{} and {}", count(types, "type"), count(functions, "function")),
    };
    format!("{what}, laid out by the Canonical ABI. Offsets and sizes are in bytes.")
}

fn description(sheet: &Sheet) -> String {
    let types = sheet.types.iter().map(|a| format!("{}: {}, {}.", a.name, a.kind, measure(a)));
    let functions = sheet.functions.iter().map(|c| {
        let params = c.slots.iter().map(|s| format!("{} {}", s.core, s.name)).collect::<Vec<_>>().join(", ");
        let result = c.result.as_ref().map_or("nothing".to_owned(), |s| format!("{} {}", s.core, s.name));
        format!("{}: ({params}) to {result}.", c.name)
    });
    let mut lines: Vec<String> =
        std::iter::once(summary(sheet)).chain(types).chain(functions).take(NAMED + 1).collect();
    let more = (sheet.types.len() + sheet.functions.len()).saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("And {more} more."));
    }
    lines.join(" ")
}
