//! The explanation, computed from the plan and the output.

use super::super::ir::{InstanceId, Space};
use super::super::merge::{Items, Merged, is_late};
use super::super::plan::{Func, Plan};
use super::super::report::Report;
use super::super::shims::{Kept, Resolved, forwarders};
use super::super::written::why;
use super::guards::{Guards, kind};
use super::model::*;
use super::names::{Names, brief, defined, label};
use super::scan::{self, Canonical};
use super::wiring::wiring;
use crate::diagnostic::Result;
use crate::draw::words::count;
use std::collections::{HashMap, HashSet};
use wasmparser::{ConstExpr, DataKind, Element, ElementItems, ElementKind, Operator, Payload};

/// What the phases left behind.
#[derive(Clone, Copy)]
pub(super) struct Left<'l, 'c, 'a> {
    pub(super) plan: &'l Plan<'c, 'a>,
    pub(super) resolved: &'l Resolved,
    pub(super) merged: &'l Merged,
    pub(super) guards: &'l Guards,
    pub(super) names: &'l Names<'l, 'c, 'a>,
}

/// Tells what was done with `component`, of which `plan`, `resolved` and at last `merged` were made.
pub(in super::super) fn explain(
    component: &[u8],
    plan: &Plan<'_, '_>,
    resolved: &Resolved,
    merged: &Merged,
    report: &Report,
    rewrapped: bool,
) -> Result<Explanation> {
    let (guards, names) = (Guards::new(plan), Names::new(plan));
    let left = Left { plan, resolved, merged, guards: &guards, names: &names };
    let read = read(component, left);
    let runtime = runtime(left);
    let mut wiring = wiring(left, &read.instances)?;
    wiring.exports.extend(support(&wiring.reallocs, &runtime));
    Ok(Explanation {
        plan: wiring,
        shims: shims(left, &read.instances),
        merge: merge(left, &read.instances, &runtime, report.memories_merged),
        verify: Verify {
            floor: report.floor,
            needs: scan::needs(&merged.wasm, report.floor),
            target: report.target.clone(),
            lowered: report.lowered.clone(),
            rewrapped,
        },
        read,
        runtime,
    })
}

/// The exports that only hosts of core modules need.
fn support(reallocs: &[Realloc], runtime: &Runtime) -> Vec<Export> {
    let written = |kind: &str| runtime.functions.iter().find(|f| f.kind == kind);
    let of_linker =
        |name: &str, piece: &Written| Export { name: name.to_owned(), from: End::Linker, item: piece.name.clone() };
    let default = || {
        let realloc = reallocs.iter().find(|realloc| realloc.default)?;
        Some(Export { name: "cabi_realloc".to_owned(), from: realloc.from, item: realloc.item.clone() })
    };
    let realloc = written("router").map(|piece| of_linker("cabi_realloc", piece)).or_else(default);
    let initialize = written("initialize").map(|piece| of_linker("_initialize", piece));
    realloc.into_iter().chain(initialize).collect()
}

fn read(component: &[u8], left: Left<'_, '_, '_>) -> Read {
    let counts = Canonical::of(component);
    Read {
        modules: counts.modules,
        components: counts.components,
        lifts: counts.lifts,
        post_returns: counts.post_returns,
        lowers: counts.lowers,
        builtins: counts.builtins,
        encodings: counts.encodings(),
        instances: left.plan.instance_ids().map(|id| instance(left, &counts, id)).collect(),
    }
}

fn instance(left: Left<'_, '_, '_>, counts: &Canonical, id: InstanceId) -> Instance {
    let (plan, live) = (left.plan, &left.merged.live);
    let module = plan.module(id);
    let instantiate = &plan.component.instances[id.index()];
    let origin = match instantiate.owner {
        _ if id >= plan.component.own => Origin::Linker,
        Some(_) => Origin::Component,
        None => Origin::Adapter,
    };
    let name = match origin {
        Origin::Linker => Some(own_name(plan, id)),
        _ => counts.module_name(instantiate.module.0).or(module.name),
    };
    let kept = |items: &Items| items.of(id).collect::<HashSet<u32>>();
    let (live_memories, live_tables) = (kept(&live.memories), kept(&live.tables));
    let memories = defined(plan, id, Space::Memory, module.memories.len()).zip(&module.memories);
    let memories = memories.map(|(index, memory)| Memory {
        index,
        minimum: memory.initial,
        maximum: memory.maximum,
        kept: live_memories.contains(&index),
    });
    let tables = defined(plan, id, Space::Table, module.tables.len()).zip(&module.tables);
    let tables = tables.map(|(index, table)| Table {
        index,
        minimum: table.ty.initial,
        maximum: table.ty.maximum,
        kept: live_tables.contains(&index),
    });
    Instance {
        index: id.0,
        module: instantiate.module.0,
        name: name.map(brief),
        origin,
        component_instance: instantiate.owner.map(|owner| owner.0),
        size: module.bytes,
        functions: module.bodies.len(),
        kept: live.funcs.of(id).count(),
        start: module.start.is_some(),
        memories: memories.collect(),
        tables: tables.collect(),
        fate: fate(left, id),
    }
}

/// What the linker's own instances are called, by their order.
fn own_name(plan: &Plan<'_, '_>, id: InstanceId) -> &'static str {
    let names = ["boundary memory", "handle tables", "written functions", "boundary adapters"];
    let count = plan.instances.len() - plan.component.own.index();
    // Nothing but adapters is written if nothing else is needed.
    let nth = (id.0 - plan.component.own.0) as usize + if count < 3 { 3 } else { 0 };
    names.get(nth).copied().unwrap_or("written")
}

fn fate(left: Left<'_, '_, '_>, id: InstanceId) -> Fate {
    let (module, live) = (left.plan.module(id), &left.merged.live);
    let items = [&live.funcs, &live.tables, &live.memories, &live.globals, &live.tags, &live.elements, &live.data];
    if module.start.is_some() || items.iter().any(|items| items.of(id).next().is_some()) {
        return Fate::Merged;
    }
    let mut functions = defined(left.plan, id, Space::Func, module.bodies.len());
    let forwards = functions.all(|index| left.resolved.forward.contains_key(&(id, index)));
    let holds = !module.memories.is_empty() || !module.globals.is_empty() || !module.tags.is_empty();
    match module.bodies.is_empty() {
        true if !holds && module.data.is_empty() => Fate::Spent,
        false if forwards => Fate::Resolved,
        _ => Fate::Dropped,
    }
}

fn shims(left: Left<'_, '_, '_>, instances: &[Instance]) -> Vec<Shim> {
    let Left { plan, resolved, guards, names, .. } = left;
    let reasons: HashMap<InstanceId, Kept> = resolved.kept.iter().copied().collect();
    let shim = |id: InstanceId| {
        let kept = reasons.get(&id).map(|kept| reason(*kept, instances));
        let slots = forwarders(plan, id)?.into_iter().map(|forwarder| {
            let target = resolved.forward.get(&(id, forwarder.func)).map(|func| guards.follow(resolved, func).0);
            Slot {
                slot: forwarder.slot,
                name: names.exported(id, forwarder.func).map_or_else(|| names.function(id, forwarder.func), brief),
                from: target.map(Names::end),
                item: target.map(|func| names.item(func)),
            }
        });
        let mut slots: Vec<Slot> = slots.collect();
        slots.sort_by_key(|slot| slot.slot);
        Some(Shim { instance: id.0, kept, slots })
    };
    plan.instance_ids().filter_map(shim).collect()
}

fn reason(kept: Kept, instances: &[Instance]) -> String {
    let name = |id: InstanceId| label(instances, id.0);
    match kept {
        Kept::SeveralTables => "its functions call through more than one table".to_owned(),
        Kept::Initialised => "its table starts with a value in every slot".to_owned(),
        Kept::Used(id) => format!("code of {} uses the table", name(id)),
        Kept::Started(id) => format!("the start function of {} may call it before its table is full", name(id)),
        Kept::Offset(id) => format!("{} fills the table at an offset that is not constant", name(id)),
        Kept::OutOfBounds(id) => format!("{} writes more than the table holds, which traps", name(id)),
        Kept::Computed(id) => format!("{} fills the table with computed values", name(id)),
        Kept::Empty(slot) => format!("nobody fills slot {slot}; calling it traps, and must go on trapping"),
        Kept::OtherType(slot) => {
            format!("slot {slot} holds a function of another type; calling it traps, and must go on trapping")
        }
        Kept::Cycle => "a function of it ends in itself".to_owned(),
    }
}

fn runtime(left: Left<'_, '_, '_>) -> Runtime {
    let Left { plan, merged, .. } = left;
    let described = merged.pieces.described(plan).into_iter();
    let mut functions: Vec<Written> =
        described.map(|piece| Written { kind: piece.kind.to_owned(), name: piece.name, why: piece.why }).collect();
    for id in plan.instance_ids().filter(|id| *id >= plan.component.own) {
        functions.extend(merged.live.funcs.of(id).map(|index| own(id, index, left)));
    }
    let starts: Vec<u32> = plan.instance_ids().filter(|id| plan.module(*id).start.is_some()).map(|id| id.0).collect();
    let late_segments = late_segments(left);
    if merged.initialize {
        let (starts, late) = (starts.len() as u64, late_segments.len() as u64);
        let why = format!("calls {}, writes {}", count(starts, "start function"), count(late, "late segment"));
        functions.push(Written { kind: "initialize".to_owned(), name: "_initialize".to_owned(), why });
    }
    let flags = merged.live.flags();
    Runtime { functions, boundary: plan.component.boundary, flags, starts, late_segments }
}

/// A function of the linker's own modules.
fn own(id: InstanceId, index: u32, left: Left<'_, '_, '_>) -> Written {
    let Left { guards, names, .. } = left;
    let name = names.function(id, index);
    let kind = match kind(&name) {
        Some(kind) => kind,
        // Adapters have numbers for names.
        None if name.starts_with(|c: char| c.is_ascii_digit()) => "adapter",
        None => "helper",
    };
    let why = match guards.behind(id, index) {
        Some(func) => format!("{}: {}", names.item(func), why(kind)),
        None => why(kind).to_owned(),
    };
    Written { why, kind: kind.to_owned(), name }
}

/// Segments that are written after a start function, as `segments` decides it.
fn late_segments(left: Left<'_, '_, '_>) -> Vec<LateSegment> {
    let (plan, live) = (left.plan, &left.merged.live);
    let mut late = Vec::new();
    let mut started = false;
    for id in plan.instance_ids() {
        let (module, instance) = (plan.module(id), &plan.instances[id.index()]);
        let mut push = |kind, owner: Option<InstanceId>, length| {
            if let (true, Some(into)) = (is_late(started, owner, id), owner) {
                late.push(LateSegment { kind, instance: id.0, into: into.0, length });
            }
        };
        for element in live.elements.of(id).filter_map(|index| module.elements.get(index as usize)) {
            if let ElementKind::Active { table_index, .. } = &element.kind {
                let owner = instance.tables.get(table_index.unwrap_or(0) as usize).map(|table| table.0);
                push("element", owner, elements(element));
            }
        }
        for data in live.data.of(id).filter_map(|index| module.data.get(index as usize)) {
            if let DataKind::Active { memory_index, .. } = &data.kind {
                let owner = instance.memories.get(*memory_index as usize).map(|memory| memory.0);
                push("data", owner, u32::try_from(data.data.len()).unwrap_or(u32::MAX));
            }
        }
        started |= module.start.is_some();
    }
    late
}

fn elements(element: &Element<'_>) -> u32 {
    match &element.items {
        ElementItems::Functions(items) => items.count(),
        ElementItems::Expressions(_, items) => items.count(),
    }
}

fn merge(left: Left<'_, '_, '_>, instances: &[Instance], runtime: &Runtime, memories: u32) -> Merge {
    let Left { plan, resolved, merged, .. } = left;
    let of_component = || instances.iter().filter(|instance| instance.origin != Origin::Linker);
    let functions = of_component().map(|instance| instance.functions).sum::<usize>();
    let kept = of_component().map(|instance| instance.kept).sum::<usize>();
    let forwarders = resolved.forward.len();
    let payloads = wasmparser::Parser::new(0).parse_all(&merged.wasm).flatten();
    Merge {
        functions,
        forwarders,
        written: runtime.functions.len(),
        dropped: functions.saturating_sub(forwarders + kept),
        output: payloads.filter(|payload| matches!(payload, Payload::CodeSectionEntry(_))).count(),
        memories,
        folded: folded(left),
        sections: scan::sections(plan, &merged.wasm),
    }
}

/// Constant expressions that are more than a constant, and whose value is known.
fn folded(left: Left<'_, '_, '_>) -> u32 {
    let (plan, live) = (left.plan, &left.merged.live);
    let mut folded = 0;
    for id in plan.instance_ids() {
        let module = plan.module(id);
        let first = module.imported(Space::Global);
        let globals = live.globals.of(id).filter_map(|index| module.globals.get((index as usize).checked_sub(first)?));
        let elements = live.elements.of(id).filter_map(|index| match &module.elements.get(index as usize)?.kind {
            ElementKind::Active { offset_expr, .. } => Some(offset_expr),
            _ => None,
        });
        let data = live.data.of(id).filter_map(|index| match &module.data.get(index as usize)?.kind {
            DataKind::Active { offset_expr, .. } => Some(offset_expr),
            DataKind::Passive => None,
        });
        for expr in globals.map(|(_, init)| init).chain(elements).chain(data) {
            folded += u32::from(!is_plain(expr) && plan.fold(id, expr).is_some());
        }
    }
    folded
}

fn is_plain(expr: &ConstExpr<'_>) -> bool {
    let mut ops = expr.get_operators_reader().into_iter().flatten();
    let plain = !matches!(ops.next(), Some(Operator::GlobalGet { .. }));
    plain && matches!(ops.next(), Some(Operator::End) | None)
}

/// Whether a function stands behind a resolved forwarder.
pub(super) fn through(resolved: &Resolved, func: &Func) -> Option<u32> {
    match func {
        Func::Defined(shim, index) if resolved.forward.contains_key(&(*shim, *index)) => Some(shim.0),
        _ => None,
    }
}
