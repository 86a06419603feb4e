//! What a host provides and expects: from a WIT world, from WIT packages, or from derived WITX alone.

use crate::abi::{CoreSignature, Direction, ImportName, Needs, Resolve, Table, WorldFunction, world_functions};
use crate::diagnostic::Result;
use crate::witx::WitxFunction;
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
    /// Functions that a guest must export.
    pub required: Vec<(String, CoreSignature)>,
}

impl Target {
    /// The host of a world.
    pub fn of_world(name: &str, resolve: &Resolve, world: WorldId) -> Result<Target> {
        let mut table = Table::new(resolve);
        let functions = world_functions(&mut table, world)?;
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
            functions.extend(table.interface_imports(id)?);
        }
        Ok(Target::of_functions(name, functions))
    }

    fn of_functions(name: &str, functions: Vec<WorldFunction<'_>>) -> Target {
        let mut target = Target { name: name.to_owned(), ..Target::default() };
        for function in functions {
            match function.direction {
                Direction::Import => {
                    target.provided.insert(function.name, Provided { core: function.core, needs: function.needs });
                }
                // A destructor is optional: a resource may need none.
                Direction::Export if function.function.is_some() => {
                    target.required.push((function.name.name, function.core));
                }
                Direction::Export => {}
            }
        }
        target
    }

    /// The host that WITX describes.
    pub fn of_witx(name: &str, functions: Vec<WitxFunction>) -> Target {
        let mut target = Target { name: name.to_owned(), ..Target::default() };
        for function in functions {
            match function.direction {
                Direction::Import => {
                    let provided = Provided { core: function.core, needs: Needs::default() };
                    target.provided.insert(function.name, provided);
                }
                Direction::Export if !function.name.name.contains("[dtor]") => {
                    target.required.push((function.name.name, function.core));
                }
                Direction::Export => {}
            }
        }
        target
    }
}
