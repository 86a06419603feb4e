//! The world of what is left.

use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::ir::Host;
use std::collections::HashSet;
use wit_parser::{InterfaceId, LiveTypes, Resolve, WorldId, WorldItem};

/// Whether this is an interface of the kind that a command exports, in any version.
pub(super) fn is_run(interface: &str) -> bool {
    interface.starts_with("wasi:cli/run@")
}

/// Makes the world that has of `world` what a module with `hosts` for imports has: functions that it calls, types that
/// those and the exports use, and all exports but `wasi:cli/run`. Interfaces of `resolve` that it shares with `world` lose
/// what it does not have, and the others go.
pub(super) fn narrow(resolve: &mut Resolve, world: WorldId, hosts: &[Host]) -> Result<WorldId> {
    let mut world = resolve.worlds[world].clone();
    let has = |module: &str, name: &str| hosts.iter().any(|h| h.name.module == module && h.name.name == name);
    world.exports.retain(|key, _| !is_run(&resolve.name_world_key(key)));
    world.imports.retain(|key, item| match item {
        WorldItem::Function(_) => has("$root", &resolve.name_world_key(key)),
        _ => true,
    });
    let interfaces: HashSet<InterfaceId> = world.exports.values().filter_map(interface).collect();
    let imported: Vec<(String, InterfaceId)> = world
        .imports
        .iter()
        .filter_map(|(key, item)| Some((resolve.name_world_key(key), interface(item)?)))
        .filter(|(_, id)| !interfaces.contains(id))
        .collect();
    for (module, id) in &imported {
        resolve.interfaces[*id].functions.retain(|name, _| has(module, name));
    }

    let mut live = LiveTypes::default();
    world.exports.values().for_each(|item| live.add_world_item(resolve, item));
    world.imports.values().filter(|item| interface(item).is_none()).for_each(|i| live.add_world_item(resolve, i));
    for (module, id) in &imported {
        let interface = &resolve.interfaces[*id];
        interface.functions.values().for_each(|f| live.add_func(resolve, f));
        let dropped = interface.types.iter().filter(|(name, _)| has(module, &format!("[resource-drop]{name}")));
        dropped.for_each(|(_, ty)| live.add_type_id(resolve, *ty));
    }
    for (_, id) in &imported {
        resolve.interfaces[*id].types.retain(|_, ty| live.contains(*ty));
    }
    let is_empty =
        |id: InterfaceId| resolve.interfaces[id].types.is_empty() && resolve.interfaces[id].functions.is_empty();
    world.imports.retain(|_, item| interface(item).is_none_or(|id| interfaces.contains(&id) || !is_empty(id)));

    let kept: HashSet<InterfaceId> =
        world.imports.values().chain(world.exports.values()).filter_map(interface).collect();
    let package = world.package.ok_or_else(|| Diagnostic::new(Code::TypeInformation, "a world without a package"))?;
    let name = world.name.clone();
    let narrowed = resolve.worlds.alloc(world);
    for (_, package) in resolve.packages.iter_mut() {
        package.interfaces.retain(|_, id| kept.contains(id));
        package.worlds.clear();
    }
    resolve.packages[package].worlds.insert(name, narrowed);
    Ok(narrowed)
}

fn interface(item: &WorldItem) -> Option<InterfaceId> {
    match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    }
}
