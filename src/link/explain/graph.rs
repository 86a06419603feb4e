//! The graph of instances, laid out: one card under the other in instantiation order, and beside them a line for each who
//! provides something, with a branch to each who takes it. Bundling by provider keeps fifty imports one line.

use super::model::*;
use super::names::{end, label};
use super::story::{fate, is_shown, memory, table, takes};
use crate::draw::words::{count, fit, number};
use std::collections::BTreeMap;

/// Cards drawn; the rest is counted.
const CARDS: usize = 60;
/// Rows of a card; the rest is counted.
const ROWS: usize = 40;
/// Columns of a name within a row.
const NAME: usize = 44;
/// Heights and distances, in pixels.
const HEAD: i64 = 38;
pub(super) const ROW: i64 = 18;
const PAD: i64 = 8;
const GAP: i64 = 14;
const FRAME: i64 = 12;
const FRAME_HEAD: i64 = 22;

/// Someone or something that provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    Host,
    Linker,
    Instance(u32),
    Memories(u32),
    Tables(u32),
    /// The host's `cabi_realloc`; its branches lead to the functions behind it.
    Realloc,
}

/// How a row looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    /// A chip of this class: something that the card holds.
    Chip(&'static str),
    /// It was so in the component, and is gone.
    Gone,
}

/// A line of a card.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) look: Look,
    gives: Option<Port>,
    takes: Option<Port>,
}

/// A box.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) pill: &'static str,
    pub(super) gone: bool,
    pub(super) rows: Vec<Row>,
    pub(super) y: i64,
    gives: Option<Port>,
    owner: Option<u32>,
}

/// A frame around the cards of one component instance.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) y: i64,
    pub(super) height: i64,
}

/// A line with its branches.
#[derive(Debug)]
pub(super) struct Bus {
    pub(super) port: Port,
    pub(super) lane: i64,
    pub(super) from: i64,
    /// Where it enters a card, and whether that is gone.
    pub(super) taps: Vec<(i64, bool)>,
}

/// Everything with its place; x is left to the drawing.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) cards: Vec<Card>,
    pub(super) frames: Vec<Frame>,
    pub(super) left: Vec<Bus>,
    pub(super) right: Vec<Bus>,
    pub(super) height: i64,
}

impl Card {
    pub(super) fn height(&self) -> i64 {
        HEAD + ROW * i64::try_from(self.rows.len()).unwrap_or(0) + if self.rows.is_empty() { 0 } else { PAD }
    }

    /// The middle of a row.
    pub(super) fn row(&self, index: usize) -> i64 {
        self.y + HEAD + ROW * i64::try_from(index).unwrap_or(0) + ROW / 2
    }
}

/// Lays out the graph.
pub(super) fn graph(told: &Explanation) -> Graph {
    let all = &told.read.instances;
    let mut cards = vec![host(told)];
    let shown = || all.iter().filter(|i| is_shown(i));
    cards.extend(shown().take(CARDS).map(|i| instance(told, i)));
    let more = shown().count().saturating_sub(CARDS);
    if more > 0 {
        let name = format!("… {} more", count(more as u64, "instance"));
        cards.push(card("value", name, "they are not drawn".to_owned()));
    }
    cards.extend(linker(told));
    cards.push(uses(told));
    for card in &mut cards {
        if card.rows.len() > ROWS {
            let more = card.rows.len() - ROWS + 1;
            card.rows.truncate(ROWS - 1);
            card.rows.push(plain(format!("… {more} more")));
        }
    }
    let (frames, height) = stack(&mut cards);
    let (left, right) = buses(&cards).into_iter().partition(|bus| bus.port == Port::Realloc);
    Graph { cards, frames, left: lanes(left), right: lanes(right), height }
}

fn card(class: &'static str, name: String, about: String) -> Card {
    Card { class, name, about, pill: "", gone: false, rows: Vec::new(), y: 0, gives: None, owner: None }
}

fn plain(text: String) -> Row {
    Row { text, look: Look::Plain, gives: None, takes: None }
}

fn host(told: &Explanation) -> Card {
    let about = format!("provides {}", count(told.plan.imports.iter().filter(|i| i.kept).count() as u64, "function"));
    Card { gives: Some(Port::Host), ..card("handle", "host".to_owned(), about) }
}

fn instance(told: &Explanation, about: &Instance) -> Card {
    let all = &told.read.instances;
    let kept =
        if about.kept < about.functions { format!(", {} kept", number(about.kept as u64)) } else { String::new() };
    let size = format!("{} · {}{kept}", count(about.size as u64, "byte"), count(about.functions as u64, "function"));
    let start = if about.start { " · start function" } else { "" };
    let (class, pill) = match about.origin {
        Origin::Component => ("value", fate(about.fate)),
        Origin::Adapter => ("i64", "fused adapter"),
        Origin::Linker => ("tag", "written"),
    };
    let gone = about.fate != Fate::Merged;
    let mut rows = Vec::new();
    let sum = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(", "));
    if let Some(text) = sum(about.memories.iter().map(memory).collect()) {
        let look = if about.memories.iter().any(|m| m.kept) { Look::Chip("pointer") } else { Look::Gone };
        rows.push(Row { look, gives: Some(Port::Memories(about.index)), ..plain(text) });
    }
    if let Some(text) = sum(about.tables.iter().map(table).collect()) {
        let look = if about.tables.iter().any(|t| t.kept) { Look::Chip("length") } else { Look::Gone };
        rows.push(Row { look, gives: Some(Port::Tables(about.index)), ..plain(text) });
    }
    for realloc in told.plan.reallocs.iter().filter(|r| r.from == End::Instance(about.index)) {
        let who = if realloc.default {
            "default".to_owned()
        } else {
            format!("for {}", count(realloc.imports.into(), "import"))
        };
        let text = format!("realloc {}: {} ({who})", realloc.index, fit(&realloc.item, NAME));
        rows.push(Row { look: Look::Chip("flags"), takes: Some(Port::Realloc), ..plain(text) });
    }
    let edges: Vec<&Edge> = told.plan.edges.iter().filter(|edge| edge.to == about.index).collect();
    for edge in edges.iter().filter(|edge| edge.through.is_none()) {
        direct(edge, gone, all, &mut rows);
    }
    through(&edges, gone, all, &mut rows);
    Card {
        pill,
        gone,
        rows,
        gives: Some(Port::Instance(about.index)),
        owner: about.component_instance,
        ..card(class, fit(&label(all, about.index), 200), format!("{size}{start}"))
    }
}

/// Rows for what one provider gives: items of memories and tables come from their own chips.
fn direct(edge: &Edge, gone: bool, all: &[Instance], rows: &mut Vec<Row>) {
    let name = fit(&end(all, edge.from), NAME);
    let look = if gone { Look::Gone } else { Look::Plain };
    let port = |of: fn(u32) -> Port| match edge.from {
        End::Host => Port::Host,
        End::Linker => Port::Linker,
        End::Instance(index) => of(index),
    };
    let rest = Edge { memories: 0, tables: 0, ..edge.clone() };
    let none = Edge { functions: 0, guarded: 0, globals: 0, tags: 0, ..edge.clone() };
    let kept = |index: u32| all.get(index as usize).is_none_or(|i| i.tables.iter().any(|t| t.kept));
    let lost = matches!(edge.from, End::Instance(index) if edge.tables > 0 && !kept(index));
    let parts = [
        (rest, port(Port::Instance), look),
        (Edge { tables: 0, ..none.clone() }, port(Port::Memories), look),
        (Edge { memories: 0, ..none }, port(Port::Tables), if lost { Look::Gone } else { look }),
    ];
    for (part, port, look) in parts {
        let text = takes(&part);
        if !text.is_empty() {
            rows.push(Row { look, takes: Some(port), ..plain(format!("{text} of {name}")) });
        }
    }
}

/// What went through shims: who it was, struck out, and who it is.
fn through(edges: &[&Edge], gone: bool, all: &[Instance], rows: &mut Vec<Row>) {
    let mut shims: BTreeMap<u32, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        if let Some(shim) = edge.through {
            shims.entry(shim).or_default().push(edge);
        }
    }
    for (shim, edges) in shims {
        let functions: u32 = edges.iter().map(|e| e.functions).sum();
        let text = format!("{} of {}", count(functions.into(), "function"), fit(&label(all, shim), NAME));
        rows.push(Row { look: Look::Gone, takes: Some(Port::Instance(shim)), ..plain(text) });
        for edge in edges {
            let port = match edge.from {
                End::Host => Port::Host,
                End::Linker => Port::Linker,
                End::Instance(index) => Port::Instance(index),
            };
            let look = if gone { Look::Gone } else { Look::Plain };
            let guarded = if edge.guarded > 0 { " (guarded)" } else { "" };
            let text =
                format!("  now {}{guarded} of {}", number(edge.functions.into()), fit(&end(all, edge.from), NAME));
            rows.push(Row { look, takes: Some(port), ..plain(text) });
        }
    }
}

fn linker(told: &Explanation) -> Option<Card> {
    let runtime = &told.runtime;
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for written in &runtime.functions {
        match kinds.iter_mut().find(|(kind, _)| *kind == written.kind) {
            Some((_, n)) => *n += 1,
            None => kinds.push((&written.kind, 1)),
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (kind, n) in kinds {
        rows.push(match kind {
            "router" => Row { gives: Some(Port::Realloc), ..plain("cabi_realloc, a router".to_owned()) },
            "wrapper" => Row { takes: Some(Port::Host), ..plain(format!("{} of imports", count(n, "wrapper"))) },
            "initialize" => {
                let starts = count(runtime.starts.len() as u64, "start function");
                let late = count(runtime.late_segments.len() as u64, "late segment");
                plain(format!("_initialize: {starts}, {late}"))
            }
            kind => plain(format!("{n} × {kind}")),
        });
    }
    if runtime.flags > 0 {
        rows.push(plain(count(runtime.flags.into(), "may-leave flag")));
    }
    let about = "what it wrote itself".to_owned();
    (!rows.is_empty()).then(|| Card { rows, gives: Some(Port::Linker), ..card("tag", "linker".to_owned(), about) })
}

fn uses(told: &Explanation) -> Card {
    let all = &told.read.instances;
    let mut rows = Vec::new();
    let mut functions: BTreeMap<End, u64> = BTreeMap::new();
    for export in &told.plan.exports {
        match (export.name.as_str(), export.from) {
            ("memory", End::Instance(index)) => {
                let text = format!("memory of {}", fit(&label(all, index), NAME));
                rows.push(Row { takes: Some(Port::Memories(index)), ..plain(text) });
            }
            ("cabi_realloc", _) => {}
            (_, from) => *functions.entry(from).or_default() += 1,
        }
    }
    for (from, n) in functions {
        let port = match from {
            End::Host => Port::Host,
            End::Linker => Port::Linker,
            End::Instance(index) => Port::Instance(index),
        };
        let text = format!("{} of {}", count(n, "function"), fit(&end(all, from), NAME));
        rows.push(Row { takes: Some(port), ..plain(text) });
    }
    if !told.plan.reallocs.is_empty() {
        rows.push(match told.runtime.functions.iter().any(|f| f.kind == "router") {
            true => Row { takes: Some(Port::Linker), ..plain("cabi_realloc of the linker".to_owned()) },
            false => Row { gives: Some(Port::Realloc), ..plain("cabi_realloc".to_owned()) },
        });
    }
    Card { rows, ..card("handle", "host".to_owned(), "may use".to_owned()) }
}

/// Puts cards under each other, and frames around those of one component instance where there are several.
fn stack(cards: &mut [Card]) -> (Vec<Frame>, i64) {
    let first = cards.iter().find_map(|card| card.owner);
    let several = cards.iter().any(|card| card.owner.is_some() && card.owner != first);
    let mut frames: Vec<Frame> = Vec::new();
    let (mut y, mut open) = (0, None);
    for card in cards {
        let owner = card.owner.filter(|_| several);
        if owner != open {
            y += if open.is_some() { FRAME } else { 0 };
            if let Some(owner) = owner {
                frames.push(Frame { name: format!("component instance {owner}"), y, height: 0 });
                y += FRAME_HEAD;
            }
            open = owner;
        }
        card.y = y;
        y += card.height();
        if let (Some(_), Some(frame)) = (open, frames.last_mut()) {
            frame.height = y + FRAME - frame.y;
        }
        y += GAP;
    }
    (frames, y - GAP)
}

fn buses(cards: &[Card]) -> Vec<Bus> {
    let mut gives: BTreeMap<Port, i64> = BTreeMap::new();
    let mut taps: BTreeMap<Port, Vec<(i64, bool)>> = BTreeMap::new();
    for card in cards {
        if let Some(port) = card.gives {
            gives.insert(port, card.y + HEAD / 2);
        }
        for (i, row) in card.rows.iter().enumerate() {
            if let Some(port) = row.gives {
                gives.insert(port, card.row(i));
            }
            if let Some(port) = row.takes {
                taps.entry(port).or_default().push((card.row(i), row.look == Look::Gone));
            }
        }
    }
    let bus = |(port, taps)| Some(Bus { port, lane: 0, from: *gives.get(&port)?, taps });
    taps.into_iter().filter_map(bus).collect()
}

impl Bus {
    /// The highest and the lowest place that it touches.
    pub(super) fn span(&self) -> (i64, i64) {
        let ys = self.taps.iter().map(|tap| tap.0).chain([self.from]);
        ys.fold((i64::MAX, i64::MIN), |(low, high), y| (low.min(y), high.max(y)))
    }
}

/// Gives each line the innermost lane that is free over its whole length, the shortest first.
fn lanes(mut buses: Vec<Bus>) -> Vec<Bus> {
    buses.sort_by_key(|bus| (bus.span().1 - bus.span().0, bus.port));
    let mut taken: Vec<Vec<(i64, i64)>> = Vec::new();
    for bus in &mut buses {
        let (low, high) = bus.span();
        let free = |lane: &Vec<(i64, i64)>| lane.iter().all(|(from, to)| high < from - ROW || low > to + ROW);
        let lane = taken.iter().position(free).unwrap_or(taken.len());
        if lane == taken.len() {
            taken.push(Vec::new());
        }
        taken[lane].push((low, high));
        bus.lane = i64::try_from(lane).unwrap_or(0);
    }
    buses
}
