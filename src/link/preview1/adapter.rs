//! Recognises preview1 adapters among the instances, and what stands and falls with them.

use super::{entangled, listed, own};
use crate::abi::CoreSignature;
use crate::adapt::PREVIEW1;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::ir::{Def, InstanceId, Item, Space};
use crate::link::module::{Module, space_of};
use crate::link::plan::{Const, Func, Global, Plan};
use crate::link::shims::Resolved;
use std::collections::BTreeSet;
use wasmparser::{ExternalKind, KnownCustom, Name, Parser, Payload};

/// The functions of preview1. Adapters export more, for the libc that they come with; no host knows those.
const FUNCTIONS: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// The import module under which an adapter finds the module that it serves.
const MAIN: &str = "__main_module__";

/// Imports of one instance that the host is to satisfy: where among the arguments, which function, of which type.
pub(super) struct Import {
    pub(super) instance: InstanceId,
    pub(super) arg: usize,
    pub(super) name: String,
    pub(super) core: CoreSignature,
}

/// All adapters of a component.
#[derive(Default)]
pub(super) struct Adapters {
    pub(super) instances: BTreeSet<InstanceId>,
    pub(super) imports: Vec<Import>,
    /// The memory that the host will read and write; none if no adapter uses one.
    pub(super) memory: Option<Item>,
}

/// Finds what satisfies imports from `wasi_snapshot_preview1`, and proves that it is an adapter.
pub(super) fn find(plan: &Plan<'_, '_>, resolved: &Resolved) -> Result<Adapters> {
    let mut found = Adapters::default();
    for user in plan.instance_ids() {
        let mut funcs = plan.instances[user.index()].funcs.iter();
        for (arg, (module, name, ty)) in plan.module(user).imports.iter().enumerate() {
            let target = match space_of(ty) {
                Space::Func => funcs.next(),
                _ => None,
            };
            if *module != PREVIEW1 {
                continue;
            }
            let Some(target) = target.map(|f| resolved.follow(f)) else {
                return Err(entangled(format!("`{name}`, which is no function, is imported from preview1")));
            };
            let (Func::Defined(instance, func), Some(core)) = (target, plan.signature(target)?) else {
                return Err(entangled(format!("`{name}` of preview1 does not come from an adapter")));
            };
            // An import that a module has twice is made unique with this suffix when it is wrapped.
            let name = name.split(" [v").next().unwrap_or(name);
            if FUNCTIONS.binary_search(&name).is_err() {
                return Err(entangled(format!("`{name}` is the adapter's own; preview1 has no such function")));
            }
            if !exported(bytes(plan, *instance)).any(|(export, index)| export == name && index == *func) {
                return Err(entangled(format!("what is imported as `{name}` is not the adapter's `{name}`")));
            }
            found.instances.insert(*instance);
            found.imports.push(Import { instance: user, arg, name: name.to_owned(), core });
        }
    }
    for &id in &found.instances {
        if found.imports.iter().any(|i| i.instance == id) {
            return Err(entangled("one adapter is built upon another".to_owned()));
        }
        only_adapts(plan, resolved, id)?;
        starts_fresh(plan, id)?;
    }
    found.memory = memory(plan, &found.instances)?;
    Ok(found)
}

/// An adapter turns calls into calls of WASI 0.2 and of the module that it serves. If another part of the component
/// answers those, then the component virtualises them on purpose; if nothing does, it stubs them out.
fn only_adapts(plan: &Plan<'_, '_>, resolved: &Resolved, id: InstanceId) -> Result<()> {
    let module = plan.module(id);
    let mut funcs = plan.instances[id.index()].funcs.iter();
    let mut wasi = 0;
    for (from, name, ty) in &module.imports {
        match space_of(ty) {
            Space::Memory => {}
            Space::Func => match funcs.next().map(|f| own::behind(plan, resolved, f)) {
                Some(Func::Host(host, _)) if plan.component.hosts[host.index()].name.module.starts_with("wasi:") => {
                    wasi += 1;
                }
                Some(Func::Defined(..)) if *from == MAIN => {}
                _ => return Err(entangled(format!("the component itself supplies `{from}` `{name}` to the adapter"))),
            },
            _ => return Err(entangled(format!("the adapter shares `{from}` `{name}` with other modules"))),
        }
    }
    if wasi == 0 {
        return Err(entangled("what supplies preview1 uses nothing of WASI 0.2: it is a stub".to_owned()));
    }
    if !module.memories.is_empty() {
        return Err(entangled("the adapter has a memory of its own".to_owned()));
    }
    Ok(())
}

/// A snapshot may hold an adapter that has run: its file descriptors then mean what no fresh host knows. State is kept
/// in memory, behind a global that is zero before the first call; the stack is allowed to exist already.
fn starts_fresh(plan: &Plan<'_, '_>, id: InstanceId) -> Result<()> {
    let module = plan.module(id);
    let names = global_names(bytes(plan, id));
    let imported = module.imported(Space::Global);
    for (index, (ty, init)) in module.globals.iter().enumerate() {
        let zero = matches!(plan.fold(id, init), Some(Const::I32(0) | Const::I64(0)));
        let name = names.iter().find(|(i, _)| *i as usize == imported + index).map(|(_, name)| name.as_str());
        if ty.mutable && !zero && !matches!(name, Some("__stack_pointer" | "allocation_state")) {
            return Err(entangled("the adapter has run before the component was made".to_owned()));
        }
    }
    Ok(())
}

fn bytes<'p>(plan: &'p Plan<'_, '_>, id: InstanceId) -> &'p [u8] {
    &plan.component.modules[plan.component.instances[id.index()].module.index()]
}

/// The exported functions of a module.
fn exported(module: &[u8]) -> impl Iterator<Item = (&str, u32)> {
    let sections = Parser::new(0).parse_all(module).flatten().filter_map(|payload| match payload {
        Payload::ExportSection(section) => Some(section),
        _ => None,
    });
    let exports = sections.flat_map(|section| section.into_iter().flatten());
    exports.filter(|e| e.kind == ExternalKind::Func).map(|e| (e.name, e.index))
}

fn global_names(module: &[u8]) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    for payload in Parser::new(0).parse_all(module).flatten() {
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names.into_iter().flatten() {
            if let Name::Global(map) = name {
                out.extend(map.into_iter().flatten().map(|n| (n.index, n.name.to_owned())));
            }
        }
    }
    out
}

/// The memory that all adapters share.
fn memory(plan: &Plan<'_, '_>, adapters: &BTreeSet<InstanceId>) -> Result<Option<Item>> {
    let used: BTreeSet<_> = adapters.iter().flat_map(|a| &plan.instances[a.index()].memories).copied().collect();
    let mut items = used.iter().map(|&(instance, index)| Item { instance, space: Space::Memory, index });
    let first = items.next();
    if items.next().is_some() {
        return Err(several_memories().fact("of", "the modules that call preview1"));
    }
    let named = plan.component.memory.map(|m| plan.instances[m.instance.index()].memories[m.index as usize]);
    match (first, named) {
        (Some(first), Some((instance, index))) if (first.instance, first.index) != (instance, index) => {
            Err(several_memories().fact("of", "the module that calls preview1, and of the boundary"))
        }
        _ => Ok(first),
    }
}

/// The `_start` that an adapter's `run` calls and then reports success: the argument that it is.
pub(super) fn start(plan: &Plan<'_, '_>, adapter: InstanceId, run: u32) -> Option<Def> {
    let module = plan.module(adapter);
    let imports = module.imports.iter().zip(&plan.component.instances[adapter.index()].args);
    let (start, (_, def)) = imports
        .filter(|((_, _, ty), _)| space_of(ty) == Space::Func)
        .enumerate()
        .find(|(_, ((from, name, _), _))| *from == MAIN && *name == "_start")?;
    let ops = body(module, run)?.get_operators_reader().ok()?.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
    use wasmparser::Operator::{Call, End, I32Const};
    let (calls, [I32Const { value: 0 }, End]) = ops.split_at_checked(ops.len().checked_sub(2)?)? else { return None };
    let is_start = |f: u32| f as usize == start;
    match calls {
        [Call { function_index }] if is_start(*function_index) => Some(def.clone()),
        // Before it, a function of the adapter may set the adapter's own stack up.
        [Call { function_index: stack }, Call { function_index }] if is_start(*function_index) => {
            body(module, *stack).map(|_| def.clone())
        }
        _ => None,
    }
}

fn body<'m, 'a>(module: &'m Module<'a>, func: u32) -> Option<&'m wasmparser::FunctionBody<'a>> {
    module.bodies.get((func as usize).checked_sub(module.imported(Space::Func))?)
}

/// Follows a definition to what it means, through re-exports and shims, as far as that exists before `user` does.
pub(super) fn source(plan: &Plan<'_, '_>, resolved: &Resolved, def: &Def, user: Option<InstanceId>) -> Result<Def> {
    let Def::Item(item) = def else { return Ok(def.clone()) };
    let instance = &plan.instances[item.instance.index()];
    let index = item.index as usize;
    let at = |(instance, index): (InstanceId, u32)| Def::Item(Item { instance, space: item.space, index });
    Ok(match item.space {
        Space::Func => {
            let func = plan.func(def)?;
            match (resolved.follow(&func), &func) {
                (Func::Host(id, realloc), _) => Def::Host(*id, *realloc),
                (Func::Defined(i, f), _) if *i < plan.component.own && user.is_none_or(|user| *i < user) => {
                    at((*i, *f))
                }
                // What the linker wrote comes last and is there for all.
                (Func::Defined(i, f), _) if *i >= plan.component.own => written(plan, *i, *f).unwrap_or(def.clone()),
                (_, Func::Defined(i, f)) => at((*i, *f)),
                _ => def.clone(),
            }
        }
        Space::Global => match instance.globals.get(index) {
            Some(Global::Defined(i, g)) => at((*i, *g)),
            Some(Global::Flag(flag)) => Def::Flag(*flag),
            None => def.clone(),
        },
        Space::Table => instance.tables.get(index).map_or(def.clone(), |t| at(*t)),
        Space::Memory => instance.memories.get(index).map_or(def.clone(), |m| at(*m)),
        Space::Tag => instance.tags.get(index).map_or(def.clone(), |t| at(*t)),
    })
}

fn written(plan: &Plan<'_, '_>, id: InstanceId, func: u32) -> Option<Def> {
    let imported = u32::try_from(plan.module(id).imported(Space::Func)).ok()?;
    Some(Def::Written(id, func.checked_sub(imported)?))
}

/// Refuses if anything that stays refers to an adapter.
pub(super) fn unreferenced<'d>(
    adapters: &BTreeSet<InstanceId>,
    defs: impl Iterator<Item = (&'d Def, String)>,
) -> Result<()> {
    for (def, what) in defs {
        if let Def::Item(item) = def
            && adapters.contains(&item.instance)
        {
            return Err(entangled(format!("{what} needs the adapter")));
        }
    }
    Ok(())
}

/// A component without any adapter: fine if it needs none.
pub(super) fn none_needed(plan: &Plan<'_, '_>) -> Result<()> {
    let wasi: Vec<&str> =
        plan.component.hosts.iter().map(|h| h.name.module.as_str()).filter(|m| m.starts_with("wasi:")).collect();
    if wasi.is_empty() {
        return Ok(());
    }
    Err(Diagnostic::new(Code::NoAdapter, "no module of the component was written for preview1")
        .fact("imports", listed(wasi))
        .hint("rebuild it for `wasm32-wasip1` and link that, or run it on a host of WASI 0.2 (`lowlift serve`)"))
}

fn several_memories() -> Box<Diagnostic> {
    Diagnostic::new(Code::SeveralMemories, "preview1 knows one memory, and the component has more than one")
        .hint("link each part of the composition by itself, or without `--wasi preview1`")
}
