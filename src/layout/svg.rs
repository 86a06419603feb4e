//! The sheet as one SVG file that stands alone.

use super::call::call;
use super::figure::{Head, area, legend};
use super::sheet::Sheet;
use super::text::measure;
use crate::draw::frame::svg_file;
use crate::draw::pen::{At, Block, Pen, SMALL, TITLE};
use crate::draw::words::count;

/// Space around and between figures.
const MARGIN: i64 = 32;
/// Figures that the description names.
const NAMED: usize = 100;

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
    let title = format!("Memory layout of {}", sheet.title);
    svg_file(&title, &description(sheet), "", &pen.block(width, height), MARGIN)
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
