//! The graph as a drawing.

use super::graph::{Bus, Card, Graph, Look, Port, ROW, graph};
use super::model::Explanation;
use super::story::story;
use crate::draw::frame::svg_file;
use crate::draw::palette::ink_rules;
use crate::draw::pen::{At, Block, NAME, Pen, SMALL, TITLE, columns_in, extent};
use crate::draw::words::{fit, wrap};

/// Width of a card, and from one lane to the next.
const CARD: i64 = 420;
const LANE: i64 = 11;
/// Space beside the cards.
const SIDE: i64 = 30;
/// Space around the drawing.
const MARGIN: i64 = 32;

/// What the colours mean.
pub(super) const KEY: [(&str, &str); 7] = [
    ("value", "core instance and its functions"),
    ("handle", "host"),
    ("tag", "written by the linker"),
    ("pointer", "memory"),
    ("length", "table"),
    ("flags", "realloc"),
    ("i64", "fused adapter"),
];

/// Draws the graph as one SVG file, for light and dark.
pub fn svg(told: &Explanation, title: &str) -> String {
    let drawn = figure(told);
    let width = drawn.width.max(560);
    let mut pen = Pen::default();
    pen.text([0, MARGIN + 18, width], At::Start, (TITLE, ""), title);
    let phases = story(told);
    let mut y = MARGIN + 40;
    for phase in phases.iter().filter(|phase| ["read", "shims", "verify"].contains(&phase.title)) {
        for line in wrap(&phase.summary, columns_in(width, SMALL), 3) {
            pen.text([0, y, width], At::Start, (SMALL, "quiet"), &line);
            y += 16;
        }
    }
    let (mut x, mut line) = (0, y + 8);
    for (class, says) in KEY {
        let step = 21 + extent(says, SMALL) + 16;
        if x > 0 && x + step > width {
            (x, line) = (0, line + 22);
        }
        pen.place(x, line, &swatch(class));
        pen.text([x + 21, line + 11, 300], At::Start, (SMALL, "quiet"), says);
        x += step;
    }
    pen.place(0, line + 34, &drawn);
    let block = pen.block(width + 2 * MARGIN, line + 34 + drawn.height + MARGIN);
    let said: Vec<String> = phases.iter().map(|phase| format!("{}: {}.", phase.title, phase.summary)).collect();
    svg_file(&format!("How {title} was linked"), &said.join(" "), &rules(), &block, MARGIN)
}

/// Rules for classes that only this drawing has.
pub(super) fn rules() -> String {
    let shapes = "\
.fig .bus{fill:none;stroke-width:1.5}
.fig .was{stroke-dasharray:2 3;stroke-opacity:.75}
.fig .gone{text-decoration:line-through}
.fig .lost .box{stroke-dasharray:3 3}
.fig .frame{fill:none;stroke-dasharray:1 3;stroke-width:1.5}
";
    format!("{shapes}{}", ink_rules("bus", "frame"))
}

/// A small cell without text.
pub(super) fn swatch(class: &str) -> Block {
    let mut pen = Pen::default();
    pen.open(class, "");
    pen.rect("box", [0, 0, 14, 14], 3);
    pen.close();
    pen.block(15, 15)
}

/// The graph alone.
pub(super) fn figure(told: &Explanation) -> Block {
    let graph = graph(told);
    let lanes = |buses: &[Bus]| buses.iter().map(|bus| bus.lane + 1).max().unwrap_or(0) * LANE;
    let left = if graph.left.is_empty() { 14 } else { SIDE + lanes(&graph.left) };
    let right = left + CARD;
    let width = right + SIDE + lanes(&graph.right);
    let mut pen = Pen::default();
    frames(&graph, left, &mut pen);
    for bus in &graph.left {
        wires(bus, left, -1, &mut pen);
    }
    for bus in &graph.right {
        wires(bus, right, 1, &mut pen);
    }
    for card in &graph.cards {
        draw(card, left, &mut pen);
    }
    pen.block(width, graph.height + 1)
}

fn frames(graph: &Graph, left: i64, pen: &mut Pen) {
    for frame in &graph.frames {
        pen.open("", &frame.name);
        pen.rect("frame", [left - 10, frame.y, CARD + 20, frame.height], 10);
        pen.text([left, frame.y + 15, CARD], At::Start, (SMALL, "quiet"), &frame.name);
        pen.close();
    }
}

/// The line of one provider, beside the cards' edge; `out` is 1 to the right of it, -1 to the left.
fn wires(bus: &Bus, edge: i64, out: i64, pen: &mut Pen) {
    let x = edge + out * (SIDE - 8 + bus.lane * LANE);
    let class = match bus.port {
        Port::Host => "handle",
        Port::Linker => "tag",
        Port::Instance(_) => "value",
        Port::Memories(_) => "pointer",
        Port::Tables(_) => "length",
        Port::Realloc => "flags",
    };
    pen.open(class, "");
    // What is left of it, and then what was in the component alone, where it reaches farther.
    let mut drawn = (bus.from, bus.from);
    for was in [false, true] {
        let taps = || bus.taps.iter().filter(|tap| tap.1 == was).map(|tap| tap.0);
        let (Some(low), Some(high)) = (taps().min(), taps().max()) else { continue };
        let look = if was { "bus was" } else { "bus" };
        if drawn == (bus.from, bus.from) {
            pen.path(look, &format!("M{edge} {}H{x}", bus.from));
        }
        let (low, high) = (low.min(drawn.0), high.max(drawn.1));
        if low < drawn.0 {
            pen.path(look, &format!("M{x} {}V{low}", drawn.0));
        }
        if high > drawn.1 {
            pen.path(look, &format!("M{x} {}V{high}", drawn.1));
        }
        drawn = (low, high);
        for y in taps() {
            let tip = edge + out * 2;
            pen.path(look, &format!("M{x} {y}H{}", edge + out * 7));
            pen.path("ink", &format!("M{tip} {y}l{0} -3.5v7z", out * 7));
            pen.path("ink", &format!("M{x} {y}m-2 0a2 2 0 1 0 4 0a2 2 0 1 0 -4 0z"));
        }
    }
    pen.close();
}

fn draw(card: &Card, left: i64, pen: &mut Pen) {
    let class = if card.gone { format!("{} lost", card.class) } else { card.class.to_owned() };
    let title = [card.name.as_str(), card.about.as_str(), card.pill].map(|part| fit(part, 200));
    let title = title.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    pen.open(&class, &title);
    pen.rect("box", [left, card.y, CARD, card.height()], 6);
    let pill = extent(card.pill, SMALL);
    pen.text(
        [left + 12, card.y + 16, CARD - 36 - pill],
        At::Start,
        (NAME, if card.gone { "ink gone" } else { "ink" }),
        &card.name,
    );
    pen.text([left + CARD - 12, card.y + 16, pill + 8], At::End, (SMALL, ""), card.pill);
    pen.text([left + 12, card.y + 30, CARD - 24], At::Start, (SMALL, "quiet"), &card.about);
    pen.close();
    for (i, row) in card.rows.iter().enumerate() {
        let y = card.row(i);
        let style = match row.look {
            Look::Chip(class) => {
                pen.open(class, "");
                pen.rect("box", [left + 8, y - ROW / 2 + 1, CARD - 16, ROW - 3], 4);
                pen.text([left + 14, y + 4, CARD - 28], At::Start, (SMALL, "ink"), &row.text);
                pen.close();
                continue;
            }
            Look::Gone => (SMALL, "quiet gone"),
            Look::Plain => (SMALL, ""),
        };
        pen.text([left + 14, y + 4, CARD - 28], At::Start, style, &row.text);
    }
}
