//! The explanation as phases of sentences and tables, which text and page share.

use super::model::*;
use super::names::{end, label};
use crate::draw::words::{count, number};

/// One phase.
pub(super) struct Phase {
    pub(super) title: &'static str,
    /// What happened, in short.
    pub(super) summary: String,
    pub(super) tables: Vec<Grid>,
}

/// A table. Cells in `numbers` columns are aligned to the right.
pub(super) struct Grid {
    pub(super) caption: String,
    pub(super) head: Vec<&'static str>,
    pub(super) numbers: Vec<usize>,
    pub(super) rows: Vec<Vec<String>>,
}

/// All phases, in the order in which they ran.
pub(super) fn story(told: &Explanation) -> Vec<Phase> {
    let all = &told.read.instances;
    let mut phases = vec![
        read(&told.read),
        plan(&told.plan, all),
        shims(&told.shims, all),
        runtime(&told.runtime, &told.plan.reallocs, all),
        merge(&told.merge),
        verify(&told.verify),
    ];
    phases.iter_mut().flat_map(|phase| &mut phase.tables).for_each(Grid::prune);
    phases
}

impl Grid {
    /// Drops columns that say nothing in any row.
    fn prune(&mut self) {
        let says = |column: &usize| self.rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
        let kept: Vec<usize> = (0..self.head.len()).filter(says).collect();
        for row in &mut self.rows {
            *row = kept.iter().filter_map(|&column| row.get(column).cloned()).collect();
        }
        let numbers = kept.iter().enumerate().filter(|(_, column)| self.numbers.contains(column));
        self.numbers = numbers.map(|(at, _)| at).collect();
        self.head = kept.into_iter().filter_map(|column| self.head.get(column).copied()).collect();
    }
}

fn read(read: &Read) -> Phase {
    let encodings = read.encodings.iter().map(|e| format!("{} in {}", e.functions, e.name));
    let posts = (read.post_returns > 0).then(|| format!("{} with a post-return", read.post_returns));
    let encodings: Vec<String> = encodings.chain(posts).collect();
    let encodings = if encodings.is_empty() { String::new() } else { format!(" ({})", encodings.join(", ")) };
    let shown = || read.instances.iter().filter(|i| is_shown(i));
    let adapters = read.instances.iter().filter(|i| i.origin == Origin::Adapter).count();
    let adapters = if adapters == 0 { String::new() } else { format!(", {}", count(adapters as u64, "fused adapter")) };
    let summary = format!(
        "{}, {}; {}{adapters}; {} and {}{encodings}, {}",
        count(read.modules.into(), "core module"),
        count(read.components.into(), "nested component"),
        count(read.instances.iter().filter(|i| i.origin == Origin::Component).count() as u64, "core instance"),
        count(read.lowers.into(), "lowered import"),
        count(read.lifts.into(), "lifted export"),
        count(read.builtins.into(), "built-in"),
    );
    let rows = shown().map(|instance| {
        let of = match (instance.origin, instance.component_instance) {
            (Origin::Linker, _) => "linker".to_owned(),
            (Origin::Component, Some(owner)) => owner.to_string(),
            _ => "adapter".to_owned(),
        };
        vec![
            label(&read.instances, instance.index),
            of,
            number(instance.size as u64),
            number(instance.functions as u64),
            number(instance.kept as u64),
            holds(instance),
            fate(instance.fate).to_owned(),
        ]
    });
    let grid = Grid {
        caption: "core instances, in instantiation order".to_owned(),
        head: vec!["instance", "of", "bytes", "functions", "kept", "holds", "became"],
        numbers: vec![2, 3, 4],
        rows: rows.collect(),
    };
    Phase { title: "read", summary, tables: vec![grid] }
}

/// The linker's own instances may be empty.
pub(super) fn is_shown(instance: &Instance) -> bool {
    instance.origin != Origin::Linker || instance.fate == Fate::Merged
}

/// Memories, tables and the start function of an instance.
fn holds(instance: &Instance) -> String {
    let memories = instance.memories.iter().map(memory);
    let tables = instance.tables.iter().map(table);
    let start = instance.start.then(|| "start function".to_owned());
    memories.chain(tables).chain(start).collect::<Vec<_>>().join(", ")
}

pub(super) fn memory(memory: &Memory) -> String {
    format!("memory of {}{}", count(memory.minimum, "page"), if memory.kept { "" } else { " (gone)" })
}

pub(super) fn table(table: &Table) -> String {
    format!("table of {}{}", count(table.minimum, "slot"), if table.kept { "" } else { " (gone)" })
}

pub(super) fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Merged => "merged",
        Fate::Resolved => "resolved, gone",
        Fate::Spent => "gone",
        Fate::Dropped => "unreachable, gone",
    }
}

/// `12 functions, 1 memory`.
pub(super) fn takes(edge: &Edge) -> String {
    let parts = [
        (edge.functions, "function", "functions"),
        (edge.globals, "global", "globals"),
        (edge.memories, "memory", "memories"),
        (edge.tables, "table", "tables"),
        (edge.tags, "tag", "tags"),
    ];
    let guarded = if edge.guarded > 0 { " (guarded)" } else { "" };
    let parts = parts.into_iter().filter(|(n, ..)| *n > 0);
    let part = |(n, one, many)| {
        let guarded = if one == "function" { guarded } else { "" };
        format!("{n} {}{guarded}", if n == 1 { one } else { many })
    };
    parts.map(part).collect::<Vec<_>>().join(", ")
}

fn plan(plan: &Wiring, all: &[Instance]) -> Phase {
    let summary = format!(
        "the host provides {} and may use {}; {} between instances",
        count(plan.imports.iter().filter(|import| import.kept).count() as u64, "function"),
        count(plan.exports.len() as u64, "item"),
        count(plan.edges.iter().filter(|e| matches!(e.from, End::Instance(_))).count() as u64, "bundle"),
    );
    let edges = plan.edges.iter().map(|edge| {
        let through = edge.through.map_or_else(String::new, |shim| label(all, shim));
        vec![label(all, edge.to), takes(edge), end(all, edge.from), through]
    });
    let imports = plan.imports.iter().map(|import| {
        let importers: Vec<String> = import.importers.iter().map(|i| format!("#{i}")).collect();
        let reallocs: Vec<String> = import.reallocs.iter().map(u32::to_string).collect();
        let gone = if import.kept { "" } else { "unreachable, gone" }.to_owned();
        vec![import.module.clone(), import.name.clone(), importers.join(" "), reallocs.join(" "), gone]
    });
    let exports =
        plan.exports.iter().map(|export| vec![export.name.clone(), end(all, export.from), export.item.clone()]);
    let grids = [
        Grid {
            caption: "who satisfies what".to_owned(),
            head: vec!["instance", "takes", "from", "through the shim"],
            numbers: vec![],
            rows: edges.collect(),
        },
        Grid {
            caption: "what the host provides".to_owned(),
            head: vec!["interface", "function", "imported by", "realloc", "became"],
            numbers: vec![],
            rows: imports.collect(),
        },
        Grid {
            caption: "what the host may use".to_owned(),
            head: vec!["export", "of", "which is there"],
            numbers: vec![],
            rows: exports.collect(),
        },
    ];
    Phase { title: "plan", summary, tables: grids.into_iter().filter(|g| !g.rows.is_empty()).collect() }
}

fn shims(shims: &[Shim], all: &[Instance]) -> Phase {
    let kept = shims.iter().filter(|shim| shim.kept.is_some()).count() as u64;
    let resolved = shims.len() as u64 - kept;
    let summary = match (resolved, kept) {
        (0, 0) => "no module holds forwarders alone".to_owned(),
        (_, 0) => format!("{} resolved to direct calls", count(resolved, "shim")),
        (0, _) => format!("{} kept", count(kept, "shim")),
        _ => format!("{} resolved to direct calls, {kept} kept", count(resolved, "shim")),
    };
    let tables = shims.iter().map(|shim| {
        let name = label(all, shim.instance);
        let rows = shim.slots.iter().map(|slot| {
            let from = slot.from.map_or_else(|| "through the table".to_owned(), |from| end(all, from));
            vec![slot.slot.to_string(), slot.name.clone(), from, slot.item.clone().unwrap_or_default()]
        });
        Grid {
            caption: match &shim.kept {
                Some(why) => format!("{name} stays: {why}"),
                None => format!("{name} is gone, and its table with it"),
            },
            head: vec!["slot", "was called", "now calls", "which is there"],
            numbers: vec![0],
            rows: rows.collect(),
        }
    });
    Phase { title: "shims", summary, tables: tables.collect() }
}

fn runtime(runtime: &Runtime, reallocs: &[Realloc], all: &[Instance]) -> Phase {
    let mut said = match runtime.functions.len() as u64 {
        0 => "nothing had to be written".to_owned(),
        n => format!("{} written", count(n, "function")),
    };
    if runtime.flags > 0 {
        said.push_str(&format!(", {} kept", count(runtime.flags.into(), "may-leave flag")));
    }
    if let Some(why) = runtime.boundary {
        said.push_str(&format!("; a boundary faces the host: {why}"));
    }
    let functions = runtime.functions.iter().map(|f| vec![f.kind.clone(), f.name.clone(), f.why.clone()]);
    let routes = reallocs.iter().map(|realloc| {
        let imports =
            if realloc.default { "exports and all others".to_owned() } else { count(realloc.imports.into(), "import") };
        vec![realloc.index.to_string(), end(all, realloc.from), realloc.item.clone(), imports]
    });
    let late = runtime.late_segments.iter().map(|late| {
        let length = number(late.length.into());
        vec![label(all, late.instance), late.kind.to_owned(), label(all, late.into), length]
    });
    let grids = [
        Grid {
            caption: "functions that the linker wrote".to_owned(),
            head: vec!["kind", "name", "why"],
            numbers: vec![],
            rows: functions.collect(),
        },
        Grid {
            caption: "behind `cabi_realloc`".to_owned(),
            head: vec!["realloc", "of", "which is there", "for"],
            numbers: vec![0],
            rows: routes.collect(),
        },
        Grid {
            caption: "segments that are written after a start function".to_owned(),
            head: vec!["instance", "segment", "into", "length"],
            numbers: vec![3],
            rows: late.collect(),
        },
    ];
    Phase { title: "runtime", summary: said, tables: grids.into_iter().filter(|g| !g.rows.is_empty()).collect() }
}

fn merge(merge: &Merge) -> Phase {
    let summary = format!(
        "{} became {}: {} resolved, {} written, {} dropped; {} folded",
        count(merge.functions as u64, "function"),
        number(merge.output as u64),
        count(merge.forwarders as u64, "forwarder"),
        number(merge.written as u64),
        number(merge.dropped as u64),
        count(merge.folded.into(), "constant expression"),
    );
    let memories = match merge.memories {
        0 => String::new(),
        n => format!("; {n} memories became one"),
    };
    let summary = summary + &memories;
    let rows = merge.sections.iter();
    let rows = rows.map(|s| vec![s.name.clone(), number(s.input), number(s.output)]).collect();
    let caption = "bytes of all instances, and of the output".to_owned();
    let grid = Grid { caption, head: vec!["section", "before", "after"], numbers: vec![1, 2], rows };
    Phase { title: "merge", summary, tables: vec![grid] }
}

fn verify(verify: &Verify) -> Phase {
    let rewrapped = if verify.rewrapped { "; it wraps into a component with the same world" } else { "" };
    let lowered = verify.lowered.iter().map(|(feature, times)| format!("{feature} ({times})"));
    let lowered = lowered.collect::<Vec<_>>().join(", ");
    let target = match &verify.target {
        Some(target) if lowered.is_empty() => format!("; `{target}` takes it as it is"),
        Some(target) => format!("; for `{target}` it was lowered: {lowered}"),
        None => String::new(),
    };
    let summary = format!("validates as {}{target}{rewrapped}", verify.floor.name());
    let rows = verify.needs.iter().map(|need| {
        let place = need.function.clone().map_or_else(|| format!("byte {:#x}", need.offset), |f| format!("`{f}`"));
        vec![need.feature.clone().unwrap_or_default(), place, need.message.clone()]
    });
    let grid = Grid {
        caption: format!("why {}: what `mvp` lacks", verify.floor.name()),
        head: vec!["feature", "first in", "the validator says"],
        numbers: vec![],
        rows: rows.collect(),
    };
    Phase { title: "verify", summary, tables: if grid.rows.is_empty() { Vec::new() } else { vec![grid] } }
}
