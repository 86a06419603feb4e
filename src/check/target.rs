//! What a host provides and expects: from a WIT world, from WIT packages, or from derived WITX alone.

use super::types::of_wit;
use crate::abi::{
    Abi, CoreSignature, Direction, Forms, ImportName, Names, Needs, Resolve, Role, Signature, Table, Track,
    WorldFunction, built_ins, world_functions,
};
use crate::diagnostic::Result;
use crate::witx::{Derivation, Func, FuncAbi, FuncRole, Scope, Stability, WitxFunction};
use semver::Version;
use std::collections::HashMap;
use std::sync::Arc;
use wit_parser::{Function, InterfaceId, PackageId, WorldId};

/// A function that passes between host and guest.
#[derive(Debug, Clone)]
pub struct Provided {
    /// Its core signature.
    pub core: CoreSignature,
    /// What it asks of the guest.
    pub needs: Needs,
    /// The parameters of the WIT behind the slots; none where nothing is known of them.
    pub params: Vec<WitParam>,
    /// Whether all parameters pass through memory, by one pointer.
    pub spilled: bool,
    /// The first version of the interface that has it.
    pub since: Option<Version>,
    /// The feature gate that it stands behind.
    pub unstable: Option<String>,
}

/// A parameter of the WIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitParam {
    /// Its name.
    pub name: String,
    /// How many slots it takes.
    pub slots: usize,
}

/// A form of a function that a guest must export.
#[derive(Debug, Clone)]
pub struct Required {
    /// The name of the export.
    pub name: String,
    /// What it is.
    pub provided: Provided,
}

/// A host, seen from the guest.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// How to speak of it.
    pub name: String,
    /// Functions that a guest may import.
    pub provided: HashMap<ImportName, Provided>,
    /// Functions that it would provide if a feature gate were on, with the gate.
    pub gated: HashMap<ImportName, String>,
    /// Functions that a guest must export: of each, the forms that it may choose from.
    pub required: Vec<Vec<Required>>,
    /// The names of the guest's memory and realloc.
    pub names: Names,
    /// The types; none where they are not known.
    pub types: Option<Arc<Derivation>>,
}

/// A guest may use any form of a function.
const ABI: Abi = Abi { names: Names::Legacy, forms: Forms::All };

impl Target {
    /// The host of a world.
    pub fn of_world(name: &str, resolve: &Resolve, world: WorldId) -> Result<Target> {
        let mut table = Table::new(resolve);
        let functions = world_functions(&mut table, world, ABI)?;
        Ok(Target::of_functions(name, &table, functions))
    }

    /// A host of every interface of these packages; it requires no export.
    pub fn of_packages(name: &str, resolve: &Resolve, packages: &[PackageId]) -> Result<Target> {
        let interfaces = packages.iter().flat_map(|&p| resolve.packages[p].interfaces.values().copied());
        Target::of_interfaces(name, resolve, interfaces)
    }

    /// A host of these interfaces; it requires no export.
    pub fn of_interfaces(
        name: &str,
        resolve: &Resolve,
        interfaces: impl IntoIterator<Item = InterfaceId>,
    ) -> Result<Target> {
        let mut table = Table::new(resolve);
        let mut functions = Vec::new();
        for id in interfaces {
            functions.extend(table.interface_imports(id, ABI)?);
        }
        functions.extend(built_ins(&mut table, ABI));
        Ok(Target::of_functions(name, &table, functions))
    }

    fn of_functions(name: &str, table: &Table<'_>, functions: Vec<WorldFunction<'_>>) -> Target {
        let mut target = Target { name: name.to_owned(), ..Target::default() };
        for function in functions {
            let provided = Provided::of_wit(table, &function);
            match (function.direction, &function.role) {
                (Direction::Import, _) => {
                    target.provided.insert(function.name, provided);
                }
                (Direction::Export, Role::Call { .. }) => target.require(function.name.name, provided),
                // A destructor or post-return is optional: there may be nothing to free.
                (Direction::Export, _) => {}
            }
        }
        target
    }

    /// The host that derived WITX describes, by nothing but the WITX.
    pub fn of_derivation(name: &str, derivation: Derivation) -> Target {
        let document = &derivation.document;
        let mut target = Target { name: name.to_owned(), names: document.abi.names, ..Target::default() };
        for (module, func, abi) in derivation.rebuilt.functions(document) {
            let provided = Provided::of_witx(func, abi, &module.stability);
            match (module.direction, &func.role) {
                (Direction::Import, _) => {
                    let import = ImportName { module: module.core_name.clone(), name: func.name.clone() };
                    target.provided.insert(import, provided);
                }
                (Direction::Export, FuncRole::Call { .. }) => target.require(func.name.clone(), provided),
                (Direction::Export, _) => {}
            }
        }
        target.types = Some(Arc::new(derivation));
        target
    }

    /// The same, with the types of the WIT that it was made of.
    pub fn with_types(mut self, resolve: &Resolve, scope: &Scope) -> Target {
        self.types = of_wit(resolve, scope).map(Arc::new);
        self
    }

    /// The host that any other WITX describes: names and signatures, and no needs.
    pub fn of_functions_of_witx(name: &str, functions: Vec<WitxFunction>) -> Target {
        let provided = functions.into_iter().map(|f| (f.name, Provided::plain(f.core, Needs::default())));
        Target { name: name.to_owned(), provided: provided.collect(), ..Target::default() }
    }

    /// Notes what `all`, the same target with every feature gate on, has beyond this one.
    pub fn with_gates(mut self, all: Target) -> Target {
        let beyond = all.provided.into_iter().filter(|(name, _)| !self.provided.contains_key(name));
        self.gated = beyond.filter_map(|(name, provided)| Some((name, provided.unstable?))).collect();
        self
    }

    /// Adds a required export, or another form of one: an asynchronous lift, or an older version.
    fn require(&mut self, name: String, provided: Provided) {
        let plain = |name: &str| {
            let bare = name.strip_prefix("[async-lift]").or(name.strip_prefix("[async-lift-stackful]")).unwrap_or(name);
            match bare.split_once('#') {
                Some((interface, function)) => (Some(Track::of(interface).0), function.to_owned()),
                None => (None, bare.to_owned()),
            }
        };
        let same = self.required.iter_mut().find(|f| f.first().is_some_and(|r| plain(&r.name) == plain(&name)));
        let form = Required { name, provided };
        match same {
            Some(forms) => forms.push(form),
            None => self.required.push(vec![form]),
        }
    }
}

impl Provided {
    /// A function of which no more is known.
    pub(super) fn plain(core: CoreSignature, needs: Needs) -> Provided {
        Provided { core, needs, params: Vec::new(), spilled: false, since: None, unstable: None }
    }

    fn of_wit(table: &Table<'_>, function: &WorldFunction<'_>) -> Provided {
        let mut provided = Provided::plain(function.core.clone(), function.needs);
        if let Some((wit, signature)) = function.call() {
            provided.params = params(table, wit, signature);
            provided.spilled = signature.params_spilled;
        }
        let resolve = table.resolve();
        provided.stands(&function.stability(resolve).into());
        if let Some(id) = function.interface {
            provided.stands(&(&resolve.interfaces[id].stability).into());
        }
        provided
    }

    fn of_witx(func: &Func, abi: &FuncAbi, module: &Stability) -> Provided {
        let mut provided = Provided::plain(abi.core.clone(), func.needs);
        if let FuncRole::Call { params, .. } = &func.role {
            let known = params.iter().map(|p| WitParam { name: p.name.clone(), slots: p.slots.unwrap_or_default() });
            provided.params = known.collect();
            provided.spilled = abi.signature.as_ref().is_some_and(|s| s.params_spilled);
        }
        provided.stands(&Since::of(&func.stability));
        provided.stands(&Since::of(module));
        provided
    }

    /// It is there since the latest version of what it stands in, and behind any gate of it.
    fn stands(&mut self, in_what: &Since) {
        self.since = self.since.take().max(in_what.version.clone());
        if self.unstable.is_none() {
            self.unstable.clone_from(&in_what.gate);
        }
    }

    /// The slots in which another signature differs, each with the parameter of the WIT that it belongs to.
    pub(super) fn differences(&self, have: &CoreSignature) -> String {
        const SHOWN: usize = 4;
        let (want, slots) = (&self.core.params, self.core.params.len().max(have.params.len()));
        let mut out = Vec::new();
        for slot in 0..slots {
            let owner = self.owner(slot);
            match (want.get(slot), have.params.get(slot)) {
                (Some(want), Some(have)) if want == have => {}
                (Some(want), Some(have)) => out.push(format!("slot {slot} is {have}, wanted is {want}{owner}")),
                (Some(want), None) => out.push(format!("slot {slot} is missing, wanted is {want}{owner}")),
                (None, have) => out.push(format!("slot {slot} is {}, and not wanted", have.map_or("?", |h| h.name()))),
            }
        }
        if out.len() > SHOWN {
            let more = out.len() - SHOWN;
            out.truncate(SHOWN);
            out.push(format!("and {more} more slots"));
        }
        let shown = |results: &[crate::abi::Core]| results.first().map_or("none", |core| core.name());
        if self.core.results != have.results {
            out.push(format!("the result is {}, wanted is {}", shown(&have.results), shown(&self.core.results)));
        }
        out.join("; ")
    }

    /// What the WIT calls a slot, as the end of a sentence; empty where nothing is known.
    fn owner(&self, slot: usize) -> String {
        if self.spilled && slot == 0 {
            let names: Vec<String> = self.params.iter().map(|p| format!("`{}`", p.name)).collect();
            return format!(" (the pointer to {})", names.join(", "));
        }
        let mut first = 0;
        for WitParam { name, slots } in &self.params {
            match slot.checked_sub(first) {
                Some(0) if *slots == 1 => return format!(" (`{name}`)"),
                Some(part) if part < *slots => return format!(" (`{name}`, part {} of {slots})", part + 1),
                _ => first += slots,
            }
        }
        let is_last = slot + 1 == self.core.params.len() && slot >= first.max(usize::from(self.spilled));
        if is_last && (self.spilled || !self.params.is_empty() || self.needs.memory) {
            return " (the pointer to the result)".to_owned();
        }
        String::new()
    }
}

fn params(table: &Table<'_>, wit: &Function, signature: &Signature) -> Vec<WitParam> {
    let slots = |id| table.get(id).flat.as_ref().map_or(0, Vec::len);
    let named = wit.params.iter().zip(&signature.params);
    let spilled = signature.params_spilled;
    named.map(|(p, &id)| WitParam { name: p.name.clone(), slots: if spilled { 0 } else { slots(id) } }).collect()
}

/// Since when something is there, and behind which gate.
struct Since {
    version: Option<Version>,
    gate: Option<String>,
}

impl Since {
    fn of(stability: &Stability) -> Since {
        let version = stability.since.as_deref().and_then(|since| Version::parse(since).ok());
        Since { version, gate: stability.unstable.clone() }
    }
}

impl From<&wit_parser::Stability> for Since {
    fn from(stability: &wit_parser::Stability) -> Since {
        match stability {
            wit_parser::Stability::Stable { since, .. } => Since { version: Some(since.clone()), gate: None },
            wit_parser::Stability::Unstable { feature, .. } => Since { version: None, gate: Some(feature.clone()) },
            wit_parser::Stability::Unknown => Since { version: None, gate: None },
        }
    }
}
