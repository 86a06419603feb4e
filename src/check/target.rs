//! What a host provides and expects: from a WIT world, from WIT packages, or from derived WITX alone.

use crate::abi::{
    Abi, CoreSignature, Direction, Forms, ImportName, Names, Needs, Resolve, Role, Table, Track, WorldFunction,
    built_ins, world_functions,
};
use crate::diagnostic::Result;
use crate::witx::{Derivation, FuncRole, WitxFunction};
use std::collections::HashMap;
use wit_parser::{InterfaceId, PackageId, WorldId};

/// A function that the host provides.
#[derive(Debug, Clone)]
pub struct Provided {
    /// Its core signature.
    pub core: CoreSignature,
    /// What it asks of the guest.
    pub needs: Needs,
}

/// A host, seen from the guest.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// How to speak of it.
    pub name: String,
    /// Functions that a guest may import.
    pub provided: HashMap<ImportName, Provided>,
    /// Functions that a guest must export: of each, the forms that it may choose from.
    pub required: Vec<Vec<(String, CoreSignature)>>,
    /// The names of the guest's memory and realloc.
    pub names: Names,
}

/// A guest may use any form of a function.
const ABI: Abi = Abi { names: Names::Legacy, forms: Forms::All };

impl Target {
    /// The host of a world.
    pub fn of_world(name: &str, resolve: &Resolve, world: WorldId) -> Result<Target> {
        let mut table = Table::new(resolve);
        let functions = world_functions(&mut table, world, ABI)?;
        Ok(Target::of_functions(name, functions))
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
        Ok(Target::of_functions(name, functions))
    }

    fn of_functions(name: &str, functions: Vec<WorldFunction<'_>>) -> Target {
        let mut target = Target { name: name.to_owned(), ..Target::default() };
        for function in functions {
            match (function.direction, &function.role) {
                (Direction::Import, _) => {
                    target.provided.insert(function.name, Provided { core: function.core, needs: function.needs });
                }
                (Direction::Export, Role::Call { .. }) => target.require(function.name.name, function.core),
                // A destructor or post-return is optional: there may be nothing to free.
                (Direction::Export, _) => {}
            }
        }
        target
    }

    /// The host that derived WITX describes, by nothing but the WITX.
    pub fn of_derivation(name: &str, derivation: &Derivation) -> Target {
        let document = &derivation.document;
        let mut target = Target { name: name.to_owned(), names: document.abi.names, ..Target::default() };
        for (module, func, abi) in derivation.rebuilt.functions(document) {
            match (module.direction, &func.role) {
                (Direction::Import, _) => {
                    let import = ImportName { module: module.core_name.clone(), name: func.name.clone() };
                    target.provided.insert(import, Provided { core: abi.core.clone(), needs: func.needs });
                }
                (Direction::Export, FuncRole::Call { .. }) => target.require(func.name.clone(), abi.core.clone()),
                (Direction::Export, _) => {}
            }
        }
        target
    }

    /// The host that any other WITX describes: names and signatures, and no needs.
    pub fn of_functions_of_witx(name: &str, functions: Vec<WitxFunction>) -> Target {
        let provided = functions.into_iter().map(|f| (f.name, Provided { core: f.core, needs: Needs::default() }));
        Target { name: name.to_owned(), provided: provided.collect(), ..Target::default() }
    }

    /// Adds a required export, or another form of one: an asynchronous lift, or an older version.
    fn require(&mut self, name: String, core: CoreSignature) {
        let plain = |name: &str| {
            let bare = name.strip_prefix("[async-lift]").or(name.strip_prefix("[async-lift-stackful]")).unwrap_or(name);
            match bare.split_once('#') {
                Some((interface, function)) => (Some(Track::of(interface).0), function.to_owned()),
                None => (None, bare.to_owned()),
            }
        };
        let same = self.required.iter_mut().find(|forms| forms.first().is_some_and(|(n, _)| plain(n) == plain(&name)));
        match same {
            Some(forms) => forms.push((name, core)),
            None => self.required.push(vec![(name, core)]),
        }
    }
}
