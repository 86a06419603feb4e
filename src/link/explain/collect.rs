//! The explanation, computed from the plan and the output.

use super::super::ir::{InstanceId, Space};
use super::super::plan::{Func, Global, Plan};
use super::super::report::Floor;
use super::super::runtime::Pieces;
use super::super::segments::is_late;
use super::super::shims::{Kept, Resolved, forwarders};
use super::super::written::why;
use super::guards::{Guards, kind};
use super::model::*;
use super::names::{Names, brief, defined, label};
use super::scan::{self, Canonical};
use super::wiring::wiring;
use crate::diagnostic::Result;
use crate::draw::words::count;
use std::collections::{BTreeSet, HashMap};
use wasmparser::{ConstExpr, DataKind, Element, ElementItems, ElementKind, Operator, Payload};

/// Tells what was done with `component`, of which `plan`, `resolved` and at last `output` were made.
pub(in super::super) fn explain(
    component: &[u8],
    plan: &Plan<'_, '_>,
    resolved: &Resolved,
    output: &[u8],
    floor: Floor,
    rewrapped: bool,
) -> Result<Explanation> {
    let names = Names::new(plan);
    let read = read(component, plan, resolved);
    let guards = Guards::new(plan);
    let shims = shims(plan, resolved, &guards, &names, &read.instances);
    let runtime = runtime(plan, resolved, &guards, &names)?;
    let mut wiring = wiring(plan, resolved, &guards, &names, &read.instances)?;
    wiring.exports.extend(support(&wiring.reallocs, &runtime));
    Ok(Explanation {
        plan: wiring,
        shims,
        merge: merge(plan, resolved, &runtime, output),
        verify: Verify { floor, needs: scan::needs(output, floor), rewrapped },
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

fn read(component: &[u8], plan: &Plan<'_, '_>, resolved: &Resolved) -> Read {
    let counts = Canonical::of(component);
    Read {
        modules: counts.modules,
        components: counts.components,
        lifts: counts.lifts,
        post_returns: counts.post_returns,
        lowers: counts.lowers,
        builtins: counts.builtins,
        encodings: counts.encodings(),
        instances: plan.instance_ids().map(|id| instance(plan, resolved, &counts, id)).collect(),
    }
}

fn instance(plan: &Plan<'_, '_>, resolved: &Resolved, counts: &Canonical, id: InstanceId) -> Instance {
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
    let memories = defined(plan, id, Space::Memory, module.memories.len()).zip(&module.memories);
    let tables = defined(plan, id, Space::Table, module.tables.len()).zip(&module.tables);
    Instance {
        index: id.0,
        module: instantiate.module.0,
        name: name.map(brief),
        origin,
        component_instance: instantiate.owner.map(|owner| owner.0),
        size: module.bytes,
        functions: module.bodies.len(),
        start: module.start.is_some(),
        memories: memories
            .map(|(index, memory)| Memory { index, minimum: memory.initial, maximum: memory.maximum })
            .collect(),
        tables: tables
            .map(|(index, table)| Table {
                index,
                minimum: table.ty.initial,
                maximum: table.ty.maximum,
                kept: !resolved.tables.contains(&(id, index)),
            })
            .collect(),
        fate: fate(plan, resolved, id),
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

fn fate(plan: &Plan<'_, '_>, resolved: &Resolved, id: InstanceId) -> Fate {
    let module = plan.module(id);
    let gone = |index| resolved.tables.contains(&(id, index));
    let functions =
        defined(plan, id, Space::Func, module.bodies.len()).all(|index| resolved.forward.contains_key(&(id, index)));
    let tables = defined(plan, id, Space::Table, module.tables.len()).all(gone);
    let rest =
        module.memories.is_empty() && module.globals.is_empty() && module.tags.is_empty() && module.data.is_empty();
    let elements = module.elements.iter().all(|element| match element.kind {
        ElementKind::Active { table_index, .. } => {
            let table = plan.instances[id.index()].tables.get(table_index.unwrap_or(0) as usize);
            table.is_some_and(|table| resolved.tables.contains(table))
        }
        _ => false,
    });
    match functions && tables && rest && elements && module.start.is_none() {
        true if module.bodies.is_empty() => Fate::Spent,
        true => Fate::Resolved,
        false => Fate::Merged,
    }
}

fn shims(
    plan: &Plan<'_, '_>,
    resolved: &Resolved,
    guards: &Guards,
    names: &Names<'_, '_, '_>,
    instances: &[Instance],
) -> Vec<Shim> {
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

fn runtime(plan: &Plan<'_, '_>, resolved: &Resolved, guards: &Guards, names: &Names<'_, '_, '_>) -> Result<Runtime> {
    let described = Pieces::plan(plan, resolved)?.described(plan).into_iter();
    let mut functions: Vec<Written> =
        described.map(|piece| Written { kind: piece.kind.to_owned(), name: piece.name, why: piece.why }).collect();
    for id in plan.instance_ids().filter(|id| *id >= plan.component.own) {
        let indices = defined(plan, id, Space::Func, plan.module(id).bodies.len());
        functions.extend(indices.map(|index| own(id, index, guards, names)));
    }
    let starts: Vec<u32> = plan.instance_ids().filter(|id| plan.module(*id).start.is_some()).map(|id| id.0).collect();
    let late_segments = late_segments(plan, resolved);
    if !starts.is_empty() || !late_segments.is_empty() {
        let (starts, late) = (starts.len() as u64, late_segments.len() as u64);
        let why = format!("calls {}, writes {}", count(starts, "start function"), count(late, "late segment"));
        functions.push(Written { kind: "initialize".to_owned(), name: "_initialize".to_owned(), why });
    }
    let flags = plan.instances.iter().flat_map(|i| &i.globals).filter_map(|global| match global {
        Global::Flag(flag) => Some(flag.0),
        Global::Defined(..) => None,
    });
    let flags = flags.collect::<BTreeSet<_>>().len();
    let flags = u32::try_from(flags).unwrap_or(u32::MAX);
    Ok(Runtime { functions, boundary: plan.component.boundary, flags, starts, late_segments })
}

/// A function of the linker's own modules.
fn own(id: InstanceId, index: u32, guards: &Guards, names: &Names<'_, '_, '_>) -> Written {
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
fn late_segments(plan: &Plan<'_, '_>, resolved: &Resolved) -> Vec<LateSegment> {
    let mut late = Vec::new();
    let mut started = false;
    for id in plan.instance_ids() {
        let (module, instance) = (plan.module(id), &plan.instances[id.index()]);
        let mut push = |kind, owner: Option<InstanceId>, length| {
            if let (true, Some(into)) = (is_late(started, owner, id), owner) {
                late.push(LateSegment { kind, instance: id.0, into: into.0, length });
            }
        };
        for element in &module.elements {
            if let ElementKind::Active { table_index, .. } = &element.kind {
                let table = instance.tables.get(table_index.unwrap_or(0) as usize);
                let kept = table.filter(|table| !resolved.tables.contains(table));
                push("element", kept.map(|table| table.0), elements(element));
            }
        }
        for data in &module.data {
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

fn merge(plan: &Plan<'_, '_>, resolved: &Resolved, runtime: &Runtime, output: &[u8]) -> Merge {
    let components = plan.instance_ids().filter(|id| *id < plan.component.own);
    let functions = components.map(|id| plan.module(id).bodies.len()).sum::<usize>();
    let (forwarders, written) = (resolved.forward.len(), runtime.functions.len());
    let payloads = wasmparser::Parser::new(0).parse_all(output).flatten();
    let bodies = payloads.filter(|payload| matches!(payload, Payload::CodeSectionEntry(_))).count();
    Merge {
        functions,
        forwarders,
        written,
        dropped: (functions + written).saturating_sub(forwarders + bodies),
        output: bodies,
        folded: folded(plan),
        sections: scan::sections(plan, output),
    }
}

/// Constant expressions that are more than a constant, and whose value is known.
fn folded(plan: &Plan<'_, '_>) -> u32 {
    let mut folded = 0;
    for id in plan.instance_ids() {
        let module = plan.module(id);
        let globals = module.globals.iter().map(|(_, init)| init);
        let elements = module.elements.iter().filter_map(|element| match &element.kind {
            ElementKind::Active { offset_expr, .. } => Some(offset_expr),
            _ => None,
        });
        let data = module.data.iter().filter_map(|data| match &data.kind {
            DataKind::Active { offset_expr, .. } => Some(offset_expr),
            DataKind::Passive => None,
        });
        for expr in globals.chain(elements).chain(data) {
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
