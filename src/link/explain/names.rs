//! Names for people: of instances and of what they hold.

use super::super::ir::{InstanceId, Space};
use super::super::plan::{Func, Plan};
use super::model::{End, Instance, Origin};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use wasmparser::{ExternalKind, Parser, Payload};

/// Names of functions, per module. Exported ones stand in where a module has no name section.
pub(super) struct Names<'p, 'c, 'a> {
    plan: &'p Plan<'c, 'a>,
    named: Vec<HashMap<u32, &'p str>>,
    exported: Vec<HashMap<u32, &'p str>>,
}

impl<'p, 'c, 'a> Names<'p, 'c, 'a> {
    pub(super) fn new(plan: &'p Plan<'c, 'a>) -> Self {
        let used: HashSet<usize> = plan.component.instances.iter().map(|instance| instance.module.index()).collect();
        let exports = |(i, bytes): (usize, &'p Cow<'a, [u8]>)| match used.contains(&i) {
            true => exports(bytes),
            false => HashMap::new(),
        };
        let exported = plan.component.modules.iter().enumerate().map(exports).collect();
        let named = plan.modules.iter().map(|module| module.func_names.iter().copied().collect()).collect();
        Names { plan, named, exported }
    }

    /// Who provides a function.
    pub(super) fn end(func: &Func) -> End {
        match func {
            Func::Host(..) => End::Host,
            Func::Defined(instance, _) => End::Instance(instance.0),
            Func::Trap(_) => End::Linker,
        }
    }

    /// What a function is called by those who provide it.
    pub(super) fn item(&self, func: &Func) -> String {
        match func {
            Func::Host(host, _) => brief(&self.plan.component.hosts[host.index()].name.to_string()),
            Func::Defined(instance, index) => self.function(*instance, *index),
            Func::Trap(core) => format!("trap {core}"),
        }
    }

    /// A function that an instance defines.
    pub(super) fn function(&self, instance: InstanceId, index: u32) -> String {
        let module = self.plan.component.instances[instance.index()].module.index();
        match self.named[module].get(&index).or_else(|| self.exported[module].get(&index)) {
            Some(name) => brief(name),
            None => format!("function {index}"),
        }
    }

    /// The name under which a module exports a function, if it does.
    pub(super) fn exported(&self, instance: InstanceId, index: u32) -> Option<&'p str> {
        self.exported[self.plan.component.instances[instance.index()].module.index()].get(&index).copied()
    }
}

fn exports(bytes: &[u8]) -> HashMap<u32, &str> {
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ExportSection(section)) => {
                for export in section.into_iter().flatten() {
                    if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                        names.entry(export.index).or_insert(export.name);
                    }
                }
                break;
            }
            Ok(Payload::CodeSectionStart { .. }) | Err(_) => break,
            Ok(_) => {}
        }
    }
    names
}

/// Characters of a name. A few bytes of a hostile component can name the same thing a million times.
const BRIEF: usize = 300;

/// A name, cut where it is too long.
pub(super) fn brief(name: &str) -> String {
    match name.char_indices().nth(BRIEF) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// `#3 main`.
pub(super) fn label(instances: &[Instance], index: u32) -> String {
    match instances.get(index as usize) {
        Some(instance) => match &instance.name {
            Some(name) => format!("#{index} {name}"),
            None if instance.origin == Origin::Adapter => format!("#{index} (fused adapter)"),
            None => format!("#{index} (module {})", instance.module),
        },
        None => format!("#{index}"),
    }
}

/// `host`, `linker`, or the label of an instance.
pub(super) fn end(instances: &[Instance], end: End) -> String {
    match end {
        End::Host => "host".to_owned(),
        End::Linker => "linker".to_owned(),
        End::Instance(index) => label(instances, index),
    }
}

/// Items of an index space that a module imports come first; these are the indices of those that it defines.
pub(super) fn defined(plan: &Plan<'_, '_>, id: InstanceId, space: Space, count: usize) -> impl Iterator<Item = u32> {
    let first = plan.module(id).imported(space);
    (first..first + count).map(|i| u32::try_from(i).unwrap_or(u32::MAX))
}
