//! Who satisfies which imports, bundled.

use super::super::ir::{Def, InstanceId, ReallocId, Space};
use super::super::module::space_of;
use super::super::plan::{Func, Global};
use super::collect::{Left, through};
use super::model::{Edge, End, Export, Fate, Import, Instance, Realloc, Wiring};
use super::names::Names;
use crate::diagnostic::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Traces the imports of every instance, and what the host may use.
pub(super) fn wiring(left: Left<'_, '_, '_>, instances: &[Instance]) -> Result<Wiring> {
    let mut tracer = Tracer { left, instances, importers: BTreeMap::new(), reallocs: BTreeMap::new() };
    let edges = left.plan.instance_ids().flat_map(|id| tracer.edges(id)).collect();
    let exports = exports(left)?;
    let reallocs = reallocs(left, &tracer.reallocs)?;
    let kept: BTreeSet<u32> = left.merged.hosts.iter().map(|host| host.0).collect();
    let imports = (0u32..).zip(&left.plan.component.hosts).map(|(index, host)| {
        let list = |map: &BTreeMap<u32, BTreeSet<u32>>| map.get(&index).into_iter().flatten().copied().collect();
        Import {
            module: host.name.module.clone(),
            name: host.name.name.clone(),
            kept: kept.contains(&index),
            importers: list(&tracer.importers),
            reallocs: list(&tracer.reallocs),
        }
    });
    Ok(Wiring { edges, imports: imports.collect(), exports, reallocs })
}

struct Tracer<'t, 'c, 'a> {
    left: Left<'t, 'c, 'a>,
    instances: &'t [Instance],
    /// Instances that import each host function.
    importers: BTreeMap<u32, BTreeSet<u32>>,
    /// Reallocs that each host function is lowered with.
    reallocs: BTreeMap<u32, BTreeSet<u32>>,
}

impl Tracer<'_, '_, '_> {
    /// What one instance imports, by who provides it.
    fn edges(&mut self, id: InstanceId) -> Vec<Edge> {
        let Left { plan, guards, .. } = self.left;
        let (module, instance) = (plan.module(id), &plan.instances[id.index()]);
        let mut bundles: BTreeMap<(End, Option<u32>), [u32; 6]> = BTreeMap::new();
        let mut seen = [0usize; 5];
        for (_, _, ty) in &module.imports {
            let space = space_of(ty);
            let at = seen[column(space)];
            seen[column(space)] += 1;
            let owner = |owner: Option<&(InstanceId, u32)>| owner.map(|(owner, _)| (End::Instance(owner.0), None));
            let from = match space {
                Space::Func => match u32::try_from(at) {
                    Ok(index) if guards.is_guards_own(id, index) => continue,
                    _ => instance.funcs.get(at).map(|func| {
                        let (end, through, guarded) = self.function(id, func);
                        bundles.entry((end, through)).or_default()[GUARDED] += u32::from(guarded);
                        (end, through)
                    }),
                },
                Space::Table => owner(instance.tables.get(at)),
                Space::Memory => owner(instance.memories.get(at)),
                Space::Tag => owner(instance.tags.get(at)),
                Space::Global => instance.globals.get(at).map(|global| match global {
                    Global::Defined(owner, _) => (End::Instance(owner.0), None),
                    Global::Flag(_) => (End::Linker, None),
                }),
            };
            if let Some(from) = from {
                bundles.entry(from).or_default()[column(space)] += 1;
            }
        }
        let edges =
            bundles.into_iter().map(|((from, through), [functions, globals, memories, tables, tags, guarded])| Edge {
                to: id.0,
                from,
                through,
                functions,
                guarded,
                globals,
                memories,
                tables,
                tags,
            });
        edges.collect()
    }

    fn function(&mut self, importer: InstanceId, func: &Func) -> (End, Option<u32>, bool) {
        let Left { guards, resolved, .. } = self.left;
        let (target, guarded) = guards.follow(resolved, func);
        if let Func::Host(host, realloc) = target {
            // Who only fills tables that are gone calls nothing.
            if self.instances.get(importer.index()).is_none_or(|instance| instance.fate != Fate::Spent) {
                self.importers.entry(host.0).or_default().insert(importer.0);
            }
            self.reallocs.entry(host.0).or_default().extend(realloc.map(|realloc| realloc.0));
        }
        (Names::end(target), through(resolved, func), guarded)
    }
}

/// The column after those of index spaces.
const GUARDED: usize = 5;

fn column(space: Space) -> usize {
    match space {
        Space::Func => 0,
        Space::Global => 1,
        Space::Memory => 2,
        Space::Table => 3,
        Space::Tag => 4,
    }
}

fn exports(left: Left<'_, '_, '_>) -> Result<Vec<Export>> {
    let Left { plan, resolved, guards, names, .. } = left;
    let mut out = Vec::new();
    if let Some(memory) = plan.component.memory {
        let owner = plan.instances.get(memory.instance.index()).and_then(|i| i.memories.get(memory.index as usize));
        if let Some((owner, index)) = owner {
            let from = End::Instance(owner.0);
            out.push(Export { name: "memory".to_owned(), from, item: format!("memory {index}") });
        }
    }
    let mut function = |name: String, def: &Def| -> Result<()> {
        let func = plan.func(def)?;
        let (target, _) = guards.follow(resolved, &func);
        out.push(Export { name, from: Names::end(target), item: names.item(target) });
        Ok(())
    };
    for export in &plan.component.exports {
        function(export.name.clone(), &export.func)?;
        if let Some(post) = &export.post_return {
            function(format!("cabi_post_{}", export.name), post)?;
        }
    }
    Ok(out)
}

fn reallocs(left: Left<'_, '_, '_>, used: &BTreeMap<u32, BTreeSet<u32>>) -> Result<Vec<Realloc>> {
    let Left { plan, resolved, guards, names, merged } = left;
    let routed = merged.pieces.needs_selector();
    if !routed && !merged.live.realloc {
        return Ok(Vec::new());
    }
    let mut users: BTreeMap<u32, u32> = BTreeMap::new();
    used.values().flatten().for_each(|realloc| *users.entry(*realloc).or_default() += 1);
    let mut out = Vec::new();
    for (index, def) in (0u32..).zip(&plan.component.reallocs) {
        let imports = users.get(&index).copied().unwrap_or(0);
        let default = plan.default_realloc == Some(ReallocId(index));
        // One function under two names is known by its first.
        if !default && (imports == 0 || !routed) {
            continue;
        }
        let func = plan.func(def)?;
        let (target, _) = guards.follow(resolved, &func);
        out.push(Realloc { index, from: Names::end(target), item: names.item(target), default, imports });
    }
    Ok(out)
}
