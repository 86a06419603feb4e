//! `--wasi preview1`: takes the preview1 adapter out of a component and keeps the imports that it satisfied.
//!
//! A component that was made from a preview1 module holds that module, an adapter that turns its calls into calls of
//! WASI 0.2, and the shim that ties the two together:
//!
//! ```text
//! before   main --wasi_snapshot_preview1--> shim --> adapter --wasi:cli, wasi:io, ...--> host
//!          wasi:cli/run --> adapter's run --> main's _start
//! after    main --wasi_snapshot_preview1--> host
//!          _start --> main's _start
//! ```
//!
//! An adapter keeps file descriptors, so either all imports from preview1 go to the host or none. It must be an adapter
//! and nothing else ([`adapter`]); what stays must not need it. Where `run` is the component's own, a `_start` is written
//! that calls it and exits with 1 where it says `err`, as command lines do.
//!
//! This works on [`super::ir`] alone, before the plan that is merged: instances that go are replaced by empty ones, so that
//! nothing else changes its number.

mod adapter;
mod fixup;
mod own;
mod verify;
mod world;

pub(super) use verify::same_world;

use super::ir::{Component, Def, Export, Host, HostId, InstanceId, Instantiate, Item, ModuleId, ReallocId, Space};
use super::plan::{Func, Plan, too_many};
use super::shims::{self, Resolved};
use crate::abi::{Core, CoreSignature, ImportName};
use crate::adapt::PREVIEW1;
use crate::diagnostic::{Code, Diagnostic, Result};
use adapter::{Adapters, source};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// The start of a command.
pub(super) const START: &str = "_start";

/// The smallest module.
pub(super) const EMPTY: [u8; 8] = *b"\0asm\x01\0\0\0";

/// What there was before.
pub(super) struct Stripped {
    resolve: wit_parser::Resolve,
    world: wit_parser::WorldId,
    /// Whether there is a command to start.
    command: bool,
}

/// Strips all adapters of `component`, or refuses. Its world becomes the one of what is left.
pub(super) fn strip(component: &mut Component<'_>) -> Result<Stripped> {
    let edits = edits(component)?;
    let command = edits.exports.iter().any(|e| e.name == START);
    let before = Stripped { resolve: component.resolve.clone(), world: component.world, command };
    apply(component, edits)?;
    prune(component)?;
    component.world = world::narrow(&mut component.resolve, component.world, &component.hosts)?;
    Ok(before)
}

/// A component's new contents.
struct Edits {
    /// By instance.
    args: Vec<Vec<Def>>,
    reallocs: Vec<Def>,
    exports: Vec<Export>,
    memory: Option<Item>,
    hosts: Vec<Host>,
    gone: BTreeSet<InstanceId>,
    /// The component's own `run`, if it has one.
    run: Option<Def>,
}

fn edits(component: &Component<'_>) -> Result<Edits> {
    let plan = Plan::new(component)?;
    let resolved = shims::resolve(&plan)?;
    let adapters = adapter::find(&plan, &resolved)?;
    if adapters.instances.is_empty() {
        adapter::none_needed(&plan)?;
    }
    let instances = plan.instance_ids().zip(&component.instances);
    let mut args = instances
        .map(|(id, i)| i.args.iter().map(|def| source(&plan, &resolved, def, Some(id))).collect::<Result<Vec<_>>>())
        .collect::<Result<Vec<_>>>()?;
    let reallocs =
        component.reallocs.iter().map(|def| source(&plan, &resolved, def, None)).collect::<Result<Vec<_>>>()?;
    let (exports, run) = exports(&plan, &resolved, &adapters)?;
    let mut hosts: Vec<Host> = Vec::new();
    for import in &adapters.imports {
        let id = add(component, &mut hosts, &import.name, &import.core)?;
        args[import.instance.index()][import.arg] = Def::Host(id, None);
    }
    if run.is_some() {
        add(component, &mut hosts, "proc_exit", &CoreSignature::new([Core::I32], []))?;
    }
    let mut edits = Edits {
        args,
        reallocs,
        exports,
        memory: component.memory.or(adapters.memory).or_else(|| first_memory(&plan)),
        hosts,
        gone: adapters.instances.clone(),
        run,
    };
    fixup::drop_unused(&plan, &resolved, &mut edits)?;
    own::drop_unused(&plan, &mut edits)?;
    nothing_needs(&plan, &edits, &adapters)?;
    Ok(edits)
}

/// The host of a preview1 module wants a memory, if only by its rules; any will do where no function names one.
fn first_memory(plan: &Plan<'_, '_>) -> Option<Item> {
    let (instance, index) = plan.instances.iter().find_map(|i| i.memories.first()).copied()?;
    Some(Item { instance, space: Space::Memory, index })
}

/// The exports that stay, and the component's own `run`. `wasi:cli/run` becomes `_start`.
fn exports(plan: &Plan<'_, '_>, resolved: &Resolved, adapters: &Adapters) -> Result<(Vec<Export>, Option<Def>)> {
    let (mut exports, mut run) = (Vec::new(), None);
    for export in &plan.component.exports {
        let mut export = export.clone();
        export.func = source(plan, resolved, &export.func, None)?;
        if let Some(post) = &export.post_return {
            export.post_return = Some(source(plan, resolved, post, None)?);
        }
        let behind = own::behind(plan, resolved, &plan.func(&export.func)?);
        let of_adapter = matches!(behind, Func::Defined(id, _) if adapters.instances.contains(&id));
        if world::is_run(&export.name) && export.name.ends_with("#run") {
            let start = match behind {
                Func::Defined(id, func) if of_adapter => {
                    let start = adapter::start(plan, id, func);
                    let start = start.ok_or_else(|| entangled("`run` does more than call `_start`".to_owned()))?;
                    source(plan, resolved, &start, None)?
                }
                _ => {
                    run = Some(export.func);
                    let instance = InstanceId(narrow(plan.component.instances.len())?);
                    Def::Item(Item { instance, space: Space::Func, index: RUNNER_START })
                }
            };
            export = Export { name: START.to_owned(), func: start, realloc: None, post_return: None };
        } else if of_adapter {
            return Err(entangled(format!("the export `{}` needs the adapter", export.name)));
        }
        exports.push(export);
    }
    Ok((exports, run))
}

/// The id of a preview1 function, which is imported once however often it is used.
fn add(component: &Component<'_>, hosts: &mut Vec<Host>, name: &str, core: &CoreSignature) -> Result<HostId> {
    let at = match hosts.iter().position(|h| h.name.name == name) {
        Some(at) if hosts[at].core == *core => at,
        Some(_) => {
            return Err(Diagnostic::new(
                Code::DuplicateName,
                format!("`{PREVIEW1}` `{name}` is imported with two signatures"),
            ));
        }
        None => {
            let name = ImportName { module: PREVIEW1.to_owned(), name: name.to_owned() };
            hosts.push(Host { name, core: core.clone() });
            hosts.len() - 1
        }
    };
    Ok(HostId(narrow(component.hosts.len() + at)?))
}

fn nothing_needs(plan: &Plan<'_, '_>, edits: &Edits, adapters: &Adapters) -> Result<()> {
    let named = |id: InstanceId| match plan.module(id).name {
        Some(name) => format!("the module `{name}`"),
        None => format!("core instance {}", id.0),
    };
    let kept = plan.instance_ids().filter(|id| !edits.gone.contains(id));
    let args = kept.flat_map(|id| edits.args[id.index()].iter().map(move |def| (def, named(id))));
    let exports = edits.exports.iter().flat_map(|e| {
        let defs = std::iter::once(&e.func).chain(&e.post_return);
        defs.map(|def| (def, format!("the export `{}`", e.name)))
    });
    let used = reallocs(
        edits.args.iter().zip(plan.instance_ids()).filter(|(_, id)| !edits.gone.contains(id)).flat_map(|(a, _)| a),
        &edits.exports,
    );
    let reallocs = used.iter().map(|id| (&edits.reallocs[id.index()], "an import's realloc".to_owned()));
    adapter::unreferenced(&adapters.instances, args.chain(exports).chain(reallocs))
}

fn apply(component: &mut Component<'_>, edits: Edits) -> Result<()> {
    let empty = ModuleId(narrow(component.modules.len())?);
    component.modules.push(Cow::Owned(EMPTY.to_vec()));
    for (i, (instance, args)) in component.instances.iter_mut().zip(edits.args).enumerate() {
        let gone = edits.gone.contains(&InstanceId(narrow(i)?));
        let (module, args) = if gone { (empty, Vec::new()) } else { (instance.module, args) };
        *instance = Instantiate { module, args, ..*instance };
    }
    component.reallocs = edits.reallocs;
    component.exports = edits.exports;
    component.memory = edits.memory;
    component.hosts.extend(edits.hosts);
    if let Some(run) = edits.run {
        let exit = component.hosts.iter().position(|h| h.name.module == PREVIEW1 && h.name.name == "proc_exit");
        let exit = exit.ok_or_else(|| Diagnostic::new(Code::Internal, "a command without an exit"))?;
        let args = vec![run, Def::Host(HostId(narrow(exit)?), None)];
        let instance = InstanceId(narrow(component.instances.len())?);
        let runner = runner(component.memory.is_none());
        component.memory = component.memory.or(Some(Item { instance, space: Space::Memory, index: 0 }));
        component.instances.push(Instantiate { module: ModuleId(narrow(component.modules.len())?), args, owner: None });
        component.modules.push(Cow::Owned(runner));
    }
    Ok(())
}

/// The function of [`runner`] that it exports.
const RUNNER_START: u32 = 2;

/// ```wat
/// (module
///   (import "" "run" (func $run (result i32)))
///   (import "" "exit" (func $exit (param i32)))
///   (memory 0) ;; where there is no other
///   (func $_start (if (call $run) (then (call $exit (i32.const 1))))))
/// ```
fn runner(with_memory: bool) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    imports.import("", "run", EntityType::Function(0)).import("", "exit", EntityType::Function(1));
    let mut functions = FunctionSection::new();
    functions.function(2);
    let mut exports = ExportSection::new();
    exports.export(START, ExportKind::Func, RUNNER_START);
    let mut body = Function::new([]);
    body.instructions().call(0).if_(BlockType::Empty).i32_const(1).call(1).end().end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    if with_memory {
        let mut memories = MemorySection::new();
        let minimum = 0;
        memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
        module.section(&memories);
    }
    module.section(&exports).section(&code);
    module.finish()
}

/// Forgets the reallocs and host functions that nothing uses any more.
fn prune(component: &mut Component<'_>) -> Result<()> {
    let used = reallocs(component.instances.iter().flat_map(|i| &i.args), &component.exports);
    let renamed = renamed(&used, ReallocId)?;
    component.reallocs = used.iter().map(|id| component.reallocs[id.index()].clone()).collect();
    let rename = |id: &mut Option<ReallocId>| *id = id.and_then(|id| renamed.get(&id).copied());
    component.exports.iter_mut().for_each(|e| rename(&mut e.realloc));
    component.defs_mut().for_each(|def| {
        if let Def::Host(_, realloc) = def {
            rename(realloc);
        }
    });
    let used: BTreeSet<HostId> =
        component.defs_mut().filter_map(|def| if let Def::Host(id, _) = def { Some(*id) } else { None }).collect();
    let renamed = self::renamed(&used, HostId)?;
    component.hosts = used.iter().map(|id| component.hosts[id.index()].clone()).collect();
    component.defs_mut().for_each(|def| {
        if let Def::Host(id, _) = def {
            *id = renamed[id];
        }
    });
    Ok(())
}

fn reallocs<'d>(args: impl Iterator<Item = &'d Def>, exports: &'d [Export]) -> BTreeSet<ReallocId> {
    let defs = args.chain(exports.iter().map(|e| &e.func));
    let of_imports = defs.filter_map(|def| if let Def::Host(_, realloc) = def { *realloc } else { None });
    of_imports.chain(exports.iter().filter_map(|e| e.realloc)).collect()
}

fn renamed<T: Copy + Ord>(used: &BTreeSet<T>, id: impl Fn(u32) -> T) -> Result<BTreeMap<T, T>> {
    used.iter().enumerate().map(|(i, &old)| Ok((old, id(narrow(i)?)))).collect()
}

fn narrow(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_many())
}

fn entangled(why: String) -> Box<Diagnostic> {
    Diagnostic::new(Code::AdapterEntangled, "the preview1 adapter cannot be stripped")
        .fact("reason", why)
        .hint("link without `--wasi preview1`; the module then needs a host of WASI 0.2")
}

/// Names for a message, each once and at most eight of them.
fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|n| n.as_ref().to_owned()).collect();
    let shown: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}
