//! What an adapter does for a module: which import of the module pulls which interface in. As JSON its schema is
//! `docs/adapt.schema.json`.

use super::choose::Adapter;
use super::graph::{Graph, Reach};
use super::snapshot0::Translated;
use super::stub::Stubbed;
use super::survey::{PREVIEW1, Survey};
use crate::abi::Track;
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use wit_parser::{Resolve, Type, TypeDefKind, TypeOwner, WorldId, WorldItem};

/// What was adapted, how, and why the component imports what it does.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The adapter; none if the module needs none.
    pub adapter: Option<AdapterUsed>,
    /// Bytes of the module as it was given.
    pub module_size: usize,
    /// Bytes of the component.
    pub component_size: usize,
    /// Functions of snapshot 0 that were renamed to preview1's.
    pub renamed: Vec<String>,
    /// Functions of snapshot 0 that are called through what was added.
    pub translated: Vec<String>,
    /// The functions of the adapter that are used, and what they call.
    pub functions: Vec<FunctionUsed>,
    /// All interfaces that the component imports, and what pulled them in.
    pub interfaces: Vec<InterfacePulled>,
    /// Functions that are no longer imported.
    pub stubbed: Vec<Stubbed>,
    /// What the component exports.
    pub exports: Vec<String>,
}

/// An adapter.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AdapterUsed {
    /// `command`, `reactor`, `proxy` or `own`.
    pub name: &'static str,
    /// Where it comes from.
    pub version: String,
}

/// A function of the adapter.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FunctionUsed {
    /// Its name: a preview1 function that the module imports, or an export of the adapter that the component needs.
    pub name: String,
    /// Whether the module imports it.
    pub imported: bool,
    /// Whether it never returns: it ends the program, or traps after a word on standard error.
    pub never_returns: bool,
    /// The functions of WASI that it reaches, sorted.
    pub calls: Vec<Call>,
}

/// A call that may happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Call {
    /// The interface, as the component imports it.
    pub interface: String,
    /// The function.
    pub function: String,
    /// Whether it is reached by an indirect call alone.
    pub through_table: bool,
}

/// An interface that the component imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InterfacePulled {
    /// Its name.
    pub name: String,
    /// Whether the module itself imports it.
    pub by_module: bool,
    /// Functions of the adapter that reach it: such as `fd_write`, which the module imports.
    pub by: Vec<String>,
    /// Interfaces that have types of it in their functions.
    pub types_for: Vec<String>,
}

/// What there is to tell from.
pub(super) struct Told<'t> {
    pub(super) module_size: usize,
    pub(super) component_size: usize,
    pub(super) survey: &'t Survey,
    pub(super) adapter: Option<(&'t Adapter, &'t [u8])>,
    pub(super) translated: Option<&'t Translated>,
    pub(super) stubbed: Vec<Stubbed>,
    pub(super) world: (&'t Resolve, WorldId),
    pub(super) exports: Vec<String>,
}

impl Report {
    pub(super) fn of(told: Told<'_>) -> Result<Report> {
        let (imports, types) = types_used(told.world.0, told.world.1);
        let imported: BTreeMap<Track, &str> = imports.iter().map(|name| (Track::of(name).0, name.as_str())).collect();
        let functions = match told.adapter {
            Some((_, bytes)) => functions(&Graph::of(bytes)?, told.survey, &imported),
            None => Vec::new(),
        };
        let own: BTreeSet<Track> = told.survey.imports.iter().map(|(name, _)| Track::of(&name.module).0).collect();
        let interfaces = imports.iter().map(|name| {
            let reaches = |f: &&FunctionUsed| f.calls.iter().any(|call| call.interface == *name);
            InterfacePulled {
                name: name.clone(),
                by_module: own.contains(&Track::of(name).0),
                by: functions.iter().filter(reaches).map(|f| f.name.clone()).collect(),
                types_for: types.iter().filter(|(_, uses)| uses.contains(name)).map(|(user, _)| user.clone()).collect(),
            }
        });
        Ok(Report {
            adapter: told.adapter.map(|(a, _)| AdapterUsed { name: a.name(), version: a.version() }),
            module_size: told.module_size,
            component_size: told.component_size,
            renamed: told.translated.map(|t| t.renamed.clone()).unwrap_or_default(),
            translated: told.translated.map(|t| t.translated.clone()).unwrap_or_default(),
            interfaces: interfaces.collect(),
            functions,
            stubbed: told.stubbed,
            exports: told.exports,
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        match &self.adapter {
            Some(adapter) => writeln!(out, "adapter: {} ({})", adapter.name, adapter.version)?,
            None => writeln!(out, "adapter: none is needed")?,
        }
        writeln!(out, "size: {} bytes, as a component {}", self.module_size, self.component_size)?;
        for (what, names) in [("renamed", &self.renamed), ("translated", &self.translated)] {
            if !names.is_empty() {
                writeln!(out, "snapshot 0, {what}: {}", names.join(", "))?;
            }
        }
        writeln!(out, "\ninterfaces and what pulls them in:")?;
        for interface in &self.interfaces {
            writeln!(out, "  {}", interface.name)?;
            if interface.by_module {
                writeln!(out, "    imported by the module itself")?;
            }
            if !interface.by.is_empty() {
                writeln!(out, "    called by {}", interface.by.join(", "))?;
            }
            if !interface.types_for.is_empty() {
                writeln!(out, "    types for {}", interface.types_for.join(", "))?;
            }
        }
        if !self.functions.is_empty() {
            writeln!(out, "\nfunctions of the adapter and what they call:")?;
        }
        for function in &self.functions {
            let never = if function.never_returns { ": never returns" } else { "" };
            let role = if function.imported { "" } else { " (of the adapter itself)" };
            writeln!(out, "  {}{role}{never}", function.name)?;
            for call in &function.calls {
                let table = if call.through_table { " (through a table)" } else { "" };
                writeln!(out, "    {} {}{table}", call.interface, call.function)?;
            }
        }
        if !self.stubbed.is_empty() {
            writeln!(out, "\nstubbed out:")?;
        }
        for stub in &self.stubbed {
            writeln!(out, "  {} {}: {}", stub.interface, stub.function, stub.answer)?;
        }
        Ok(())
    }
}

/// The exports of the adapter that the component has a use for: what the module imports, what the component exports, and
/// what the canonical ABI calls.
fn functions(graph: &Graph, survey: &Survey, imported: &BTreeMap<Track, &str>) -> Vec<FunctionUsed> {
    let wanted: BTreeSet<&str> = survey.imported_from(PREVIEW1).collect();
    let used = graph
        .exports
        .iter()
        .filter(|(name, _)| wanted.contains(name.as_str()) || name.contains(['#']) || name.starts_with("cabi_"));
    let of_exports = used.map(|(name, func)| (name.clone(), graph.never_returns(*func), graph.reach(*func)));
    let at_start = [("start".to_owned(), false, graph.reach_of_start())];
    let at_start = at_start.into_iter().filter(|(_, _, reach)| *reach != Reach::default());
    let mut out: Vec<FunctionUsed> = at_start
        .chain(of_exports)
        .map(|(name, never_returns, reach)| FunctionUsed {
            imported: wanted.contains(name.as_str()),
            name,
            never_returns,
            calls: calls(graph, &reach, imported),
        })
        .collect();
    out.sort_by(|a, b| (!a.imported, &a.name).cmp(&(!b.imported, &b.name)));
    out
}

fn calls(graph: &Graph, reach: &Reach, imported: &BTreeMap<Track, &str>) -> Vec<Call> {
    let all = reach.direct.iter().map(|i| (i, false)).chain(reach.through_tables.iter().map(|i| (i, true)));
    let mut calls: Vec<Call> = all
        .filter_map(|(index, through_table)| {
            let name = graph.imports.get(*index as usize)?;
            let interface = imported.get(&Track::of(&name.module).0)?;
            Some(Call { interface: (*interface).to_owned(), function: name.name.clone(), through_table })
        })
        .collect();
    calls.sort();
    calls.dedup();
    calls
}

/// The interfaces that a world imports; and for each that it imports or exports, those whose types it uses.
fn types_used(resolve: &Resolve, world: WorldId) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let world = &resolve.worlds[world];
    let (mut imports, mut users) = (BTreeSet::new(), BTreeMap::new());
    let both = world.imports.iter().map(|item| (item, false)).chain(world.exports.iter().map(|item| (item, true)));
    for ((key, item), exported) in both {
        let WorldItem::Interface { id, .. } = item else { continue };
        let used = resolve.interfaces[*id].types.values().filter_map(|ty| match resolve.types[*ty].kind {
            TypeDefKind::Type(Type::Id(other)) => match resolve.types[other].owner {
                TypeOwner::Interface(owner) if owner != *id => resolve.id_of(owner),
                _ => None,
            },
            _ => None,
        });
        let name = resolve.name_world_key(key);
        if exported {
            users.insert(format!("the export {name}"), used.collect());
        } else {
            users.insert(name.clone(), used.collect());
            imports.insert(name);
        }
    }
    (imports, users)
}
