//! A table in Markdown.

use std::fmt::Write;

/// Rows under a heading, each cell as wide as its column.
pub(crate) fn table(heading: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = std::iter::once(heading).chain(rows.iter().map(Vec::as_slice));
        cells.map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max().unwrap_or(0)
    };
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    let pad = |row: &[String]| {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:<w$}", w = width(i))).collect();
        cells
    };
    line(&mut pad(heading).into_iter());
    line(&mut (0..heading.len()).map(|i| "-".repeat(width(i))));
    for row in rows {
        line(&mut pad(row).into_iter());
    }
    out
}
