//! The explanation for terminals.

use super::model::Explanation;
use super::story::{Grid, Phase, story};
use crate::draw::words::{clean, columns, count, fit};

/// Columns of a cell, and of one that ends its row; the rest of a longer one is cut.
const CELL: usize = 44;
const LAST: usize = 72;
/// Rows of a table; the rest is counted.
const ROWS: usize = 100;

/// Writes phase by phase, as plain text.
pub fn text(told: &Explanation) -> String {
    let phases: Vec<String> = story(told).iter().map(phase).collect();
    phases.join("\n")
}

fn phase(phase: &Phase) -> String {
    let mut out = format!("{}: {}\n", phase.title, clean(&phase.summary));
    for grid in &phase.tables {
        out.push_str(&format!("  {}\n", fit(&grid.caption, 2 * CELL)));
        rows(grid, &mut out);
    }
    out
}

fn rows(grid: &Grid, out: &mut String) {
    let head = grid.head.iter().map(|cell| (*cell).to_owned()).collect();
    let room = |column: usize| if column + 1 == grid.head.len() { LAST } else { CELL };
    let cells = |row: &Vec<String>| row.iter().enumerate().map(|(i, cell)| fit(cell, room(i))).collect::<Vec<String>>();
    let rows: Vec<Vec<String>> = std::iter::once(&head).chain(&grid.rows).take(ROWS + 1).map(cells).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| columns(c)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..grid.head.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            let space = " ".repeat(width.saturating_sub(columns(cell)));
            if grid.numbers.contains(&column) { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(&format!("    {}\n", line.trim_end()));
    }
    if grid.rows.len() > ROWS {
        out.push_str(&format!("    … {} more\n", count((grid.rows.len() - ROWS) as u64, "row")));
    }
}
