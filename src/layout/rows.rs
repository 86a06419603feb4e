//! An area as a table: offset, size, name, type. What the text shows, and what a figure's text alternative holds.

use super::lanes::{Cell, Item, Lane, List, Plan, Role};
use super::sheet::Node;
use crate::draw::words::count;

/// Areas within areas that are followed.
const FOLLOW: usize = 4;
/// Columns of indentation that mean something to a reader.
const INDENT: usize = 12;

/// A line of the table.
#[derive(Debug)]
pub(super) enum Row {
    /// Bytes.
    Bytes { from: u64, size: u64, indent: usize, name: String, ty: String, gap: bool },
    /// What the following lines are about, such as a case.
    Heading { indent: usize, text: String },
    /// Names with numbers.
    Names { indent: usize, title: String, names: Vec<String> },
}

/// The table of a value at offset 0, and of what it points to.
pub(super) fn rows(root: &Node) -> Vec<Row> {
    let mut rows = Vec::new();
    area(root, 0, 0, &mut rows);
    rows
}

fn area(root: &Node, indent: usize, follow: usize, rows: &mut Vec<Row>) {
    let plan = Plan::of(root);
    for item in &plan.items {
        match item {
            Item::Lane(lane) => cells(lane, indent, follow, rows),
            Item::List(list) => names(list, indent, rows),
        }
    }
    if plan.hidden > 0 {
        rows.push(Row::Heading { indent, text: format!("… {} more", count(plan.hidden as u64, "case")) });
    }
}

fn cells(lane: &Lane<'_>, indent: usize, follow: usize, rows: &mut Vec<Row>) {
    let mut indent = (indent + lane.depth.saturating_sub(1)).min(INDENT);
    if let Some(case) = &lane.case {
        rows.push(Row::Heading { indent, text: format!("case {}  {}  {}", case.index, case.name, case.ty) });
        indent += 1;
    }
    let mut groups = lane.groups.iter().peekable();
    for (i, cell) in lane.cells.iter().enumerate() {
        while let Some(group) = groups.next_if(|g| g.first <= i) {
            let (name, ty, indent) = (group.name.to_owned(), group.ty.to_owned(), (indent + group.level).min(INDENT));
            rows.push(Row::Bytes { from: group.from, size: group.to - group.from, indent, name, ty, gap: false });
        }
        let (size, indent) = (cell.to - cell.from, (indent + cell.level).min(INDENT));
        let tag = lane.case.is_some() && i == 0;
        let name = if tag { format!("tag = {}", cell.name) } else { cell.name.to_string() };
        let (gap, ty) = (cell.role == Role::Gap, cell.ty.to_string());
        rows.push(Row::Bytes { from: cell.from, size, indent, name, ty, gap });
        // What a pointer leads to comes after the length that belongs to it.
        let pointer = i.checked_sub(1).map(|i| &lane.cells[i]);
        if let Some((pointer, element)) = pointer.and_then(|p| Some((p, p.element?))) {
            pointee(pointer, element, indent, follow, rows);
        }
    }
}

fn pointee(pointer: &Cell<'_>, element: &Node, indent: usize, follow: usize, rows: &mut Vec<Row>) {
    let size = count(element.size.into(), "byte");
    let what = if pointer.path.is_empty() { "element".to_owned() } else { format!("of {}", pointer.path) };
    let text = format!("→ each {what}: {}, {size}, align {}", element.ty, element.align);
    rows.push(Row::Heading { indent, text });
    if element.is_open() && follow < FOLLOW {
        area(element, (indent + 1).min(INDENT), follow + 1, rows);
    }
}

fn names(list: &List<'_>, indent: usize, rows: &mut Vec<Row>) {
    let mut names: Vec<String> = list.names.iter().map(|(i, name)| format!("{i} {name}")).collect();
    if list.more > 0 {
        names.push(format!("… {} more", list.more));
    }
    let indent = (indent + list.depth.saturating_sub(1)).min(INDENT);
    rows.push(Row::Names { indent, title: list.title.clone(), names });
}
