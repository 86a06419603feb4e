//! Layouts for terminals: a table for each area, a list of slots for each function.

use super::rows::{Row, rows};
use super::sheet::{Area, Call, Sheet, Slot};
use crate::draw::words::{clean, columns, count, fit, number, wrap};
use std::fmt::Write;

/// Columns of the page.
const PAGE: usize = 100;
/// Columns of names in a table.
const NAME: usize = 42;

/// The sheet as text of 100 columns; longer names are cut.
pub fn text(sheet: &Sheet) -> String {
    let mut page = Page { out: String::new() };
    page.line(0, &sheet.title);
    for area in &sheet.types {
        page.gap();
        page.area(0, area);
    }
    for call in &sheet.functions {
        page.gap();
        page.call(call);
    }
    page.out
}

/// The size line of an area.
pub(super) fn measure(area: &Area) -> String {
    format!("{}, align {}", count(area.layout.size.into(), "byte"), area.layout.align)
}

/// The flat form of an area.
pub(super) fn flat(area: &Area) -> String {
    match &area.flat {
        Some(flat) => format!("flat ({})", flat.iter().map(|c| c.name()).collect::<Vec<_>>().join(" ")),
        None => "spilled: more than 16 slots".to_owned(),
    }
}

/// Why the parameters are in memory.
pub(super) fn spill(call: &Call) -> String {
    let slots = call.flattened.len() + call.more;
    format!("{} > {}: one pointer to args.ptr", count(slots as u64, "flat slot"), call.limit)
}

struct Page {
    out: String,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let text = fit(text, PAGE.saturating_sub(indent));
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:indent$}{}", "", text.trim_end());
    }

    fn gap(&mut self) {
        self.out.push('\n');
    }

    fn area(&mut self, indent: usize, area: &Area) {
        let owner = if area.owner.is_empty() { String::new() } else { format!("  {}", area.owner) };
        self.line(indent, &format!("{}  {}{owner}", area.name, area.kind));
        self.line(indent, &format!("{}, {}", measure(area), flat(area)));
        self.gap();
        self.line(indent + 2, &format!("{:>8} {:>8}  {:NAME$}  type", "offset", "size", "name"));
        for row in rows(&area.layout) {
            self.row(indent + 2, row);
        }
    }

    fn row(&mut self, indent: usize, row: Row) {
        match row {
            Row::Bytes { from, size, indent: level, name, ty, gap } => {
                let name = if gap { format!("·· {name}") } else { name };
                let name = padded(&format!("{:1$}{name}", "", level * 2), NAME);
                self.line(indent, &format!("{:>8} {:>8}  {name}  {ty}", number(from), number(size)));
            }
            Row::Heading { indent: level, text } => self.line(indent + 19 + level * 2, &text),
            Row::Names { indent: level, title, names } => {
                let indent = indent + 19 + level * 2;
                self.line(indent, &title);
                self.names(indent + 2, &names);
            }
        }
    }

    /// Names in columns, read downwards like a directory listing.
    fn names(&mut self, indent: usize, names: &[String]) {
        let room = PAGE.saturating_sub(indent);
        let width = names.iter().map(|n| columns(n) + 2).max().unwrap_or(1).min(room).max(1);
        let across = (room / width).max(1);
        let down = names.len().div_ceil(across);
        for row in 0..down {
            let line = names.iter().skip(row).step_by(down).map(|n| padded(n, width)).collect::<String>();
            self.line(indent, &line);
        }
    }

    fn call(&mut self, call: &Call) {
        self.line(0, &format!("{}  {}", call.name, call.module));
        for line in wrap(&call.wit, PAGE - 4, 8) {
            self.line(4, &line);
        }
        if call.params_spilled {
            self.gap();
            self.line(2, "flattened");
            self.slots(&call.flattened, Some(call.limit));
            if call.more > 0 {
                self.line(4, &format!("… {} more", count(call.more as u64, "slot")));
            }
            self.line(2, &spill(call));
        }
        self.gap();
        self.line(2, "core function");
        self.slots(&call.slots, None);
        match &call.result {
            Some(slot) => self.line(4, &format!("  →  {}", slot_line(slot))),
            None => self.line(4, "  →  ()"),
        }
        for area in &call.areas {
            self.gap();
            self.area(2, area);
        }
    }

    fn slots(&mut self, slots: &[Slot], limit: Option<usize>) {
        for (i, slot) in slots.iter().enumerate() {
            if limit == Some(i) {
                self.line(4, &format!(" ───  limit of {i}"));
            }
            self.line(4, &format!("{i:>3}  {}", slot_line(slot)));
        }
    }
}

fn slot_line(slot: &Slot) -> String {
    let area = slot.area.as_ref().map(|a| format!("  → {a}")).unwrap_or_default();
    format!("{}  {}  {}{area}", slot.core, padded(&slot.name, NAME), slot.role)
}

/// Text in exactly so many columns.
fn padded(text: &str, room: usize) -> String {
    let text = fit(&clean(text), room);
    let blank = room.saturating_sub(columns(&text));
    format!("{text}{:blank$}", "")
}
