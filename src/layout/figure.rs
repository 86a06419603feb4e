//! The card of an area.

use super::sheet::Area;
use super::strip::strip;
use super::text::measure;
use crate::abi::Core;
use crate::draw::pen::{At, Block, HEADING, NAME, Pen, SMALL, TINY, columns_in, extent, flow};
use crate::draw::words::{count, wrap};

/// Room for rows of bytes.
const STRIP: i64 = 768;
/// Space within a card.
const MARGIN: i64 = 20;
/// The narrowest card.
const LEAST: i64 = 560;

/// Whether a card says what it is about. On a page, the text around it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Shown,
    Hidden,
}

/// A card: what the area is, how large, its flat form, and its bytes.
pub(super) fn area(area: &Area, shown: Head) -> Block {
    let strip = strip(&area.layout, STRIP);
    let least = if shown == Head::Shown { LEAST } else { 0 };
    let width = least.max(strip.width + 2 * MARGIN);
    let room = width - 2 * MARGIN;
    let mut pen = Pen::default();
    pen.open("area", &format!("{}: {}, {}", area.name, area.kind, measure(area)));
    let head = match shown {
        Head::Shown => head(area, room),
        Head::Hidden => Pen::default().block(0, -14),
    };
    let height = MARGIN + head.height + 14 + strip.height + MARGIN - 8;
    pen.rect("card", [0, 0, width, height], 8);
    pen.place(MARGIN, MARGIN, &head);
    pen.place(MARGIN, MARGIN + head.height + 14, &strip);
    pen.close();
    pen.block(width + 1, height + 1)
}

fn head(area: &Area, room: i64) -> Block {
    let mut pen = Pen::default();
    let size = measure(area);
    let wide = extent(&size, NAME);
    pen.text([0, 12, room - wide - 20], At::Start, (HEADING, ""), &area.name);
    pen.text([room, 12, room], At::End, (NAME, ""), &size);
    let about = if area.owner.is_empty() { area.kind.clone() } else { format!("{} · {}", area.kind, area.owner) };
    pen.text([0, 31, room], At::Start, (SMALL, "quiet"), &about);
    let mut y = 44;
    if let Some(docs) = &area.docs {
        for line in wrap(first_sentence(docs), columns_in(room, SMALL).min(110), 2) {
            pen.text([0, y + 8, room], At::Start, (SMALL, ""), &line);
            y += 16;
        }
        y += 4;
    }
    let flat = flat(area.flat.as_deref(), room);
    pen.place(0, y, &flat);
    pen.block(room, y + flat.height)
}

/// Documentation up to the first blank line.
fn first_sentence(docs: &str) -> &str {
    docs.trim().split("\n\n").next().unwrap_or_default()
}

/// Small chips for core types.
fn flat(flat: Option<&[Core]>, room: i64) -> Block {
    let mut pen = Pen::default();
    let Some(flat) = flat else {
        pen.text([0, 13, room], At::Start, (SMALL, "quiet"), "flat");
        pen.text([36, 13, room], At::Start, (SMALL, "stop"), "spilled: more than 16 slots");
        return pen.block(room, 20);
    };
    pen.open("", &format!("flat form: {}", count(flat.len() as u64, "slot")));
    pen.text([0, 13, room], At::Start, (SMALL, "quiet"), "flat");
    let (places, height) = flow(flat.iter().map(|_| 34), room - 40, 4, 24);
    for (core, [x, y]) in flat.iter().zip(places) {
        pen.open(core.name(), "");
        pen.rect("box", [x + 36, y, 34, 18], 4);
        pen.text([x + 53, y + 13, 34], At::Middle, (SMALL, "ink"), core.name());
        pen.close();
    }
    pen.close();
    pen.block(room, height.max(20))
}

/// What the colours mean: class and words.
pub(super) const KEY: [(&str, &str); 8] = [
    ("value", "value"),
    ("tag", "discriminant"),
    ("pointer", "pointer"),
    ("length", "length"),
    ("handle", "handle"),
    ("flags", "flags"),
    ("union", "one of several payloads"),
    ("gap", "padding, or unused by the case"),
];

/// The key in one line.
pub(super) fn legend() -> Block {
    let mut pen = Pen::default();
    let mut x = 0;
    for (class, says) in KEY {
        pen.place(x, 0, &swatch(class));
        pen.text([x + 21, 11, 300], At::Start, (TINY, "quiet"), says);
        x += 21 + extent(says, TINY) + 18;
    }
    pen.block(x, 16)
}

/// A small cell without text.
pub(super) fn swatch(class: &str) -> Block {
    let mut pen = Pen::default();
    pen.open(class, "");
    pen.rect("box", [0, 0, 14, 14], 3);
    pen.close();
    pen.block(15, 15)
}
