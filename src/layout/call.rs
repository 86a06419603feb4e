//! The card of a function: its flat form, the core function that it is, and the areas that this points to.

use super::figure::{Head, area};
use super::sheet::{Call, Slot};
use super::text::spill;
use crate::draw::pen::{At, Block, HEADING, NAME, Pen, SMALL, TINY, columns_in, extent, flow};
use crate::draw::words::{count, wrap};

/// Room for slots.
const ROOM: i64 = 960;
const MARGIN: i64 = 20;
/// Height of a slot, and from one row of slots to the next.
const SLOT: i64 = 54;
const ROW: i64 = SLOT + 8;
/// Room for the line at the limit.
const LIMIT: i64 = 22;

/// Draws a function.
pub(super) fn call(call: &Call, shown: Head) -> Block {
    let mut pen = Pen::default();
    let mut y = if shown == Head::Shown { head(call, &mut pen) } else { 0 };
    if call.params_spilled {
        pen.text([0, y + 10, ROOM], At::Start, (SMALL, "quiet"), "flattened");
        let (slots, _) = slots(&call.flattened, Some(call.limit), None);
        pen.place(0, y + 12, &slots);
        y += 22 + slots.height;
        let more =
            if call.more > 0 { format!("… {} more. ", count(call.more as u64, "slot")) } else { String::new() };
        pen.text([0, y + 14, ROOM], At::Start, (NAME, "stop"), &format!("{more}{}", spill(call)));
        y += 38;
    }
    pen.text([0, y + 10, ROOM], At::Start, (SMALL, "quiet"), "core function");
    let (slots, places) = slots(&call.slots, None, Some(call.result.as_ref()));
    pen.place(0, y + 20, &slots);
    let top = y + 20;
    y = top + slots.height;
    let mut cards = Pen::default();
    let mut width = ROOM;
    let wires = call
        .slots
        .iter()
        .chain(&call.result)
        .zip(places)
        .filter_map(|(slot, [x, y])| Some((slot.area.as_ref()?, x, y)));
    let wires: Vec<_> = wires.collect();
    let blocks: Vec<_> = call.areas.iter().map(|a| (a, area(a, Head::Shown))).collect();
    let widest = blocks.iter().map(|(_, b)| b.width).max().unwrap_or(0);
    for (i, (about, block)) in blocks.iter().enumerate() {
        let (left, below) = (0, y + 26);
        if let Some(&(_, x, from)) = wires.iter().find(|(name, ..)| **name == about.name) {
            let from = top + from;
            // Only the first area is right under the slots; the way to the others is around it.
            let path = if i == 0 && x < block.width - 12 {
                format!("M{x}.5 {from}V{}", below - 2)
            } else if x > widest + 12 {
                format!("M{x}.5 {from}V{}H{}", below + 32, block.width + 2)
            } else {
                let (turn, side) = (top + slots.height + 10, widest + 16 + 10 * i as i64);
                width = width.max(side + 4);
                format!("M{x}.5 {from}V{turn}H{side}.5V{}H{}", below + 32, block.width + 2)
            };
            cards.path("wire", &path);
        }
        cards.place(left, below, block);
        y = below + block.height;
        width = width.max(block.width);
    }
    finish(call, pen, cards, [width, y])
}

fn finish(call: &Call, pen: Pen, cards: Pen, [width, height]: [i64; 2]) -> Block {
    let (ink, cards) = (pen.block(width, height), cards.block(width, height));
    let mut pen = Pen::default();
    pen.open("call", &format!("{} {}", call.module, call.name));
    pen.rect("card", [0, 0, width + 2 * MARGIN, height + 2 * MARGIN], 8);
    pen.place(MARGIN, MARGIN, &cards);
    pen.place(MARGIN, MARGIN, &ink);
    pen.close();
    pen.block(width + 2 * MARGIN + 1, height + 2 * MARGIN + 1)
}

fn head(call: &Call, pen: &mut Pen) -> i64 {
    pen.text([0, 12, ROOM], At::Start, (HEADING, ""), &call.name);
    let about = if call.module.is_empty() { "export".to_owned() } else { format!("import · {}", call.module) };
    pen.text([0, 31, ROOM], At::Start, (SMALL, "quiet"), &about);
    let mut y = 44;
    for line in wrap(&call.wit, columns_in(ROOM, SMALL), 6) {
        pen.text([0, y + 9, ROOM], At::Start, (SMALL, ""), &line);
        y += 17;
    }
    y + 14
}

fn width(slot: &Slot) -> i64 {
    let head = extent(slot.core.name(), NAME) + extent("00", TINY) + 24;
    head.max(extent(&slot.name, NAME) + 16).max(extent(slot.role, TINY) + 16).clamp(72, 190)
}

/// Slots in a row; with a result, an arrow to it. Returns where the lower edges of the slots are.
fn slots(slots: &[Slot], limit: Option<usize>, result: Option<Option<&Slot>>) -> (Block, Vec<[i64; 2]>) {
    let mut pen = Pen::default();
    let over = |i: usize| limit.is_some_and(|l| i >= l);
    let lead = |i: usize| if limit == Some(i) { LIMIT } else { 0 };
    let head = if limit.is_some() { 16 } else { 0 };
    let arrow = result.map(|r| 40 + r.map_or(30, width));
    let widths = slots.iter().enumerate().map(|(i, s)| lead(i) + width(s)).chain(arrow);
    let (places, height) = flow(widths, ROOM, 6, ROW + head);
    let mut edges = Vec::new();
    for (i, (slot, &[x, y])) in slots.iter().zip(&places).enumerate() {
        let (x, y) = (x + lead(i), y + head);
        if lead(i) > 0 {
            pen.path("limit", &format!("M{}.5 {}V{}", x - 11, y - 2, y + SLOT + 4));
            let says = format!("limit {i}");
            let middle = (x - 11).max(extent(&says, TINY) / 2);
            pen.text([middle, y - 6, 100], At::Middle, (TINY, "stop"), &says);
        }
        chip(slot, &i.to_string(), over(i), [x, y], &mut pen);
        edges.push([x + width(slot) / 2, y + SLOT + 1]);
    }
    if let (Some(result), Some(&[x, y])) = (result, places.last()) {
        pen.path("wire", &format!("M{}.5 {}H{}", x + 8, y + SLOT / 2, x + 30));
        match result {
            Some(slot) => {
                chip(slot, "", false, [x + 40, y], &mut pen);
                edges.push([x + 40 + width(slot) / 2, y + SLOT + 1]);
            }
            None => pen.text([x + 40, y + SLOT / 2 + 4, 30], At::Start, (NAME, "quiet"), "()"),
        }
    }
    (pen.block(ROOM, height - 8), edges)
}

fn chip(slot: &Slot, number: &str, over: bool, [x, y]: [i64; 2], pen: &mut Pen) {
    let width = width(slot);
    let core = slot.core.name();
    let role = match slot.role {
        "handle" => "is-handle",
        "pointer" => "is-pointer",
        "length" => "is-length",
        "discriminant" => "is-tag",
        _ => "quiet",
    };
    pen.open(if over { "over" } else { "" }, &format!("{} {core}, {}", slot.name, slot.role));
    pen.open(core, "");
    pen.rect("box", [x, y, width, SLOT], 5);
    pen.text([x + 8, y + 16, width], At::Start, (NAME, "ink"), core);
    pen.text([x + width - 7, y + 15, width], At::End, (TINY, "quiet"), number);
    pen.text([x + 8, y + 32, width - 14], At::Start, (NAME, ""), &slot.name);
    pen.text([x + 8, y + 46, width - 12], At::Start, (TINY, role), slot.role);
    pen.close();
    pen.close();
}
