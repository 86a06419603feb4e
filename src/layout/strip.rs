//! The picture of an area: a byte ruler, and below it lane after lane.

use super::geometry::{Grid, Row};
use super::lanes::{Cell, Group, Item, Lane, List, Plan, Role};
use super::sheet::Node;
use crate::draw::pen::{At, Block, NAME, Pen, SMALL, TINY, columns_in, extent, flow};
use crate::draw::words::{columns, count, fit, number};

/// Height of a cell.
const CELL: i64 = 46;
/// Height of the bracket over a group.
const BRACKET: i64 = 20;
/// Brackets drawn; of deeper groups, the cells tell their path.
const LEVELS: usize = 3;
/// The most room for the names of cases.
const GUTTER: i64 = 300;
/// Room for offsets of rows.
const OFFSETS: i64 = 44;
/// Areas within areas that are followed, and areas that one lane may lead to.
const FOLLOW: usize = 4;
const POINTEES: usize = 16;
/// Levels of cases that are indented.
const INDENT: usize = 6;

/// Draws a value at offset 0, about as wide as there is room.
pub(super) fn strip(root: &Node, room: i64) -> Block {
    follow(root, room, 0)
}

fn follow(root: &Node, room: i64, depth: usize) -> Block {
    let plan = Plan::of(root);
    let grid = Grid::of(&plan, room);
    let offsets = if plan.size > grid.bytes { OFFSETS.max(extent(&number(plan.size), TINY) + 16) } else { 0 };
    let gutter = plan.lanes().map(label_width).max().unwrap_or(0).min(GUTTER) + offsets;
    let width = gutter + grid.row() + 1;
    let mut strip = Strip { pen: Pen::default(), grid, gutter, offsets, y: 0, width, depth };
    strip.ruler();
    for item in &plan.items {
        match item {
            Item::Lane(lane) => strip.lane(lane),
            Item::List(list) => strip.list(list),
        }
    }
    if plan.hidden > 0 {
        strip.note(&format!("… {} more", count(plan.hidden as u64, "case")));
    }
    strip.pen.block(strip.width, strip.y)
}

/// Pixels that the name of a case wants.
fn label_width(lane: &Lane<'_>) -> i64 {
    let Some(case) = &lane.case else { return 0 };
    let index = extent(&case.index.to_string(), NAME) + 8;
    indent(lane) + index + extent(&case.name, NAME).max(extent(case.ty, SMALL)) + 18
}

fn indent(lane: &Lane<'_>) -> i64 {
    lane.depth.clamp(1, INDENT).cast_signed() as i64 * 14 - 14
}

struct Strip {
    pen: Pen,
    grid: Grid,
    /// Left of the bytes: names of cases, then offsets of rows.
    gutter: i64,
    offsets: i64,
    y: i64,
    width: i64,
    depth: usize,
}

impl Strip {
    fn ruler(&mut self) {
        for byte in 0..self.grid.bytes {
            let x = self.gutter + self.grid.left(byte);
            let class = if byte % 4 == 0 { "" } else { "quiet" };
            self.pen.text([x + 4, 11, self.grid.px], At::Start, (TINY, class), &byte.to_string());
        }
        let ticks = (0..=self.grid.bytes).map(|byte| {
            let x = self.gutter + byte.cast_signed() * self.grid.px;
            format!("M{x}.5 {}V20", if byte % 4 == 0 { 2 } else { 15 })
        });
        let ticks: String = ticks.collect();
        self.pen.path("hair", &ticks);
        self.y = 24;
    }

    fn lane(&mut self, lane: &Lane<'_>) {
        let class = if lane.case.is_some() { "case" } else { "lane" };
        self.pen.open(class, "");
        let rows = self.grid.rows(lane);
        for (i, row) in rows.iter().enumerate() {
            match row {
                Row::Bytes(at, pieces) => {
                    let from = at * self.grid.bytes;
                    let mut doors = Vec::new();
                    self.y += self.brackets(lane, from);
                    if i == 0 {
                        self.label(lane);
                    }
                    if self.offsets > 0 {
                        let y = self.y + CELL / 2 + 3;
                        self.pen.text([self.gutter - 8, y, self.offsets], At::End, (TINY, "quiet"), &number(from));
                    }
                    for piece in pieces {
                        let cell = &lane.cells[piece.cell];
                        let x = self.gutter + self.grid.left(piece.from);
                        let width = self.grid.width(piece.from, piece.to);
                        self.cell(cell, [x, width], piece.from == cell.from);
                        if let (Some(element), true) = (cell.element, piece.from == cell.from) {
                            doors.push((x + width / 2, self.y + CELL, element));
                        }
                    }
                    self.y += CELL;
                    self.pointees(doors);
                    self.y += if lane.groups.is_empty() { 5 } else { 10 };
                }
                Row::Alike(bytes) => self.pause(&format!("⋮  {} of the same", count(*bytes, "byte"))),
                Row::Rest(bytes) => self.pause(&format!("… {} more, not drawn", count(*bytes, "byte"))),
            }
        }
        if rows.is_empty() {
            self.label(lane);
            self.pause("no bytes");
        }
        self.y += if lane.groups.is_empty() { 7 } else { 2 };
        self.pen.close();
    }

    fn pause(&mut self, text: &str) {
        let room = self.grid.row().max(200);
        self.pen.text([self.gutter + 6, self.y + 15, room], At::Start, (SMALL, "quiet"), text);
        self.width = self.width.max(self.gutter + 6 + extent(text, SMALL).min(room));
        self.y += 22;
    }

    /// The name of the case, left of its cells.
    fn label(&mut self, lane: &Lane<'_>) {
        let (x, y) = (indent(lane), self.y);
        let room = self.gutter - self.offsets - 10 - x;
        if let Some(case) = &lane.case {
            let index = case.index.to_string();
            let wide = extent(&index, NAME) + 8;
            self.pen.open("tag", &format!("case {}: {} {}", case.index, case.name, case.ty));
            self.pen.text([x, y + 20, room], At::Start, (NAME, "ink"), &index);
            self.pen.text([x + wide, y + 20, room - wide], At::Start, (NAME, ""), &case.name);
            self.pen.text([x + wide, y + 35, room - wide], At::Start, (SMALL, "quiet"), case.ty);
            self.pen.close();
        } else if lane.cells.last().is_some_and(|c| c.role == Role::Union) {
            self.pen.text([x, y + 27, room], At::Start, (SMALL, "quiet"), "any case");
        }
    }

    /// Brackets over the groups in a row; returns their height.
    fn brackets(&mut self, lane: &Lane<'_>, from: u64) -> i64 {
        let to = from + self.grid.bytes;
        let here = |g: &&Group<'_>| g.level < LEVELS && g.from < to && g.to > from && g.to > g.from;
        let levels = lane.groups.iter().filter(here).map(|g| g.level + 1).max().unwrap_or(0);
        for group in lane.groups.iter().filter(here) {
            let (start, end) = (group.from.max(from), group.to.min(to));
            let (x, width) = (self.gutter + self.grid.left(start), self.grid.width(start, end));
            let y = self.y + group.level as i64 * BRACKET;
            let left = if start == group.from {
                format!("M{x}.5 {}V{}.5", y + 19, y + 15)
            } else {
                format!("M{x} {}.5", y + 15)
            };
            let right = if end == group.to { format!("V{}", y + 19) } else { String::new() };
            self.pen.open("group", &format!("{}: {}, {}", group.name, group.ty, span(group.from, group.to)));
            self.pen.path("hair", &format!("{left}H{}.5{right}", x + width - 1));
            if start == group.from || from > group.from {
                let next = lane.groups.iter().filter(|g| g.level <= group.level && g.from >= group.to).map(|g| g.from);
                let room = self.grid.width(start, next.min().unwrap_or(to).min(to)) - 8;
                let name = fit(group.name, columns_in(room, SMALL));
                let wide = extent(&name, SMALL) + 8;
                self.pen.text([x + 2, y + 11, room], At::Start, (SMALL, ""), &name);
                if columns_in(room - wide, SMALL) > 3 {
                    self.pen.text([x + 2 + wide, y + 11, room - wide], At::Start, (SMALL, "quiet"), group.ty);
                }
            }
            self.pen.close();
        }
        levels as i64 * BRACKET
    }

    fn cell(&mut self, cell: &Cell<'_>, [x, width]: [i64; 2], first: bool) {
        let y = self.y;
        let gap = cell.role == Role::Gap;
        let path = if cell.path.is_empty() { String::new() } else { format!(" in {}", cell.path) };
        self.pen.open(cell.role.class(), &format!("{} {}{path}, {}", cell.name, cell.ty, span(cell.from, cell.to)));
        self.pen.rect("box", [x + 1, y, width - 2, CELL], 3);
        if gap {
            let word = cell.name.as_ref();
            let wide = extent(word, TINY) + 8;
            if wide + 4 <= width {
                self.pen.rect("plate", [x + (width - wide) / 2, y + 15, wide, 15], 2);
                self.pen.text([x + width / 2, y + 26, wide], At::Middle, (TINY, ""), word);
            }
        } else if !first {
            self.pen.text([x + 7, y + 27, width - 12], At::Start, (SMALL, "quiet"), &format!("… {}", cell.name));
        } else {
            let narrow = width < 40;
            let (at, left, room, size) = match narrow {
                true => (At::Middle, x + width / 2, width - 4, SMALL),
                false => (At::Start, x + 7, width - 12, NAME),
            };
            let offset = number(cell.from);
            // The offset of the row is left of it; a cut number would be wrong.
            if columns(&offset) <= columns_in(room, TINY) {
                self.pen.text([left, y + 12, room], at, (TINY, "quiet"), &offset);
            }
            self.pen.text([left, y + 26, room], at, (size, ""), &cell.name);
            let fits = columns(&cell.ty) <= columns_in(room, SMALL);
            if fits || !narrow {
                self.pen.text([left, y + 39, room], at, (SMALL, "ink"), &cell.ty);
            }
        }
        self.pen.close();
    }

    /// What the pointers of a lane point to, the rightmost first, so that no connector crosses a box.
    fn pointees(&mut self, doors: Vec<(i64, i64, &Node)>) {
        if self.depth >= FOLLOW {
            return;
        }
        let more = doors.len().saturating_sub(POINTEES);
        for (x, from, element) in doors.into_iter().take(POINTEES).rev() {
            let card = element_card(element, self.depth);
            let y = self.y + 18;
            let left = (x + 22).min((self.gutter + self.grid.row() - card.width).max(x + 22 - 400).max(self.gutter));
            if left > x {
                self.pen.path(
                    "wire",
                    &format!("M{x}.5 {from}V{}Q{x}.5 {} {} {}H{}", y + 10, y + 16, x + 6, y + 16, left - 2),
                );
            } else {
                self.pen.path("wire", &format!("M{x}.5 {from}V{}", y - 2));
            }
            self.pen.place(left, y, &card);
            self.width = self.width.max(left + card.width + 1);
            self.y = y + card.height;
        }
        if more > 0 {
            self.note(&format!("… {} more", count(more as u64, "pointer")));
        }
    }

    /// Cases or flags as chips.
    fn list(&mut self, list: &List<'_>) {
        let x = self.gutter;
        let room = self.grid.row().max(480);
        self.pen.text([x + 2, self.y + 12, room], At::Start, (SMALL, "quiet"), &list.title);
        self.y += 20;
        let class = if list.role == Role::Flags { "chip flags" } else { "chip tag" };
        let name = |i: usize, name: &str| (i.to_string(), fit(name, 48));
        let chips: Vec<_> = list.names.iter().map(|&(i, n)| name(i, n)).collect();
        let wide = |(i, n): &(String, String)| extent(i, SMALL) + extent(n, SMALL) + 21;
        let (places, height) = flow(chips.iter().map(wide), room, 6, 26);
        for (chip, [dx, dy]) in chips.iter().zip(places) {
            let (x, y) = (x + 1 + dx, self.y + dy);
            self.pen.open(class, "");
            self.pen.rect("pill", [x, y, wide(chip), 20], 10);
            self.pen.text([x + 8, y + 14, room], At::Start, (SMALL, "ink"), &chip.0);
            self.pen.text([x + 13 + extent(&chip.0, SMALL), y + 14, room], At::Start, (SMALL, ""), &chip.1);
            self.pen.close();
            self.width = self.width.max(x + wide(chip) + 1);
        }
        self.y += height;
        if list.more > 0 {
            self.note(&format!("… {} more", count(list.more as u64, "name")));
        }
        self.y += 8;
    }

    fn note(&mut self, text: &str) {
        self.pause(text);
    }
}

/// A card with the layout of what a pointer points to.
fn element_card(element: &Node, depth: usize) -> Block {
    let mut pen = Pen::default();
    let inner = (element.is_open() && element.size > 0).then(|| follow(element, 480, depth + 1));
    let size = format!("{}, align {}", count(element.size.into(), "byte"), element.align);
    let ty = fit(&element.ty, 60);
    let head = extent("each", SMALL) + extent(&ty, NAME) + extent(&size, SMALL) + 44;
    let width = head.max(inner.as_ref().map_or(0, |b| b.width + 24));
    let height = 32 + inner.as_ref().map_or(0, |b| b.height + 4);
    pen.open("element", &format!("each element: {} {size}", element.ty));
    pen.rect("card", [0, 0, width, height], 6);
    pen.text([12, 20, 60], At::Start, (SMALL, "quiet"), "each");
    pen.text([18 + extent("each", SMALL), 20, width], At::Start, (NAME, ""), &ty);
    pen.text([width - 12, 20, width], At::End, (SMALL, "quiet"), &size);
    if let Some(inner) = &inner {
        pen.place(12, 36, inner);
    }
    pen.close();
    pen.block(width, height)
}

fn span(from: u64, to: u64) -> String {
    format!("{} at offset {from}", count(to - from, "byte"))
}
