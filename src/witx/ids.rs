//! Ids: one flat name space for a whole document.

use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::{InterfaceId, Resolve, TypeId, TypeOwner, WorldId};

/// Names of the interfaces in scope, as short as they can be while differing.
#[derive(Debug)]
pub(super) struct Ids {
    interfaces: HashMap<InterfaceId, String>,
}

impl Ids {
    /// `<package>-<interface>` where that is unique, `<namespace>-<package>-<interface>` where it is not, and with the
    /// version where even that is not.
    pub(super) fn new(resolve: &Resolve) -> Ids {
        let forms: Vec<(InterfaceId, [String; 3])> = resolve
            .interfaces
            .iter()
            .map(|(id, interface)| {
                let own = interface.name.clone().unwrap_or_else(|| inline_name(resolve, id));
                let forms = match interface.package {
                    Some(package) => {
                        let name = &resolve.packages[package].name;
                        let long = format!("{}-{}-{own}", name.namespace, name.name);
                        let version = name.version.as_ref().map(|v| format!("@{v}")).unwrap_or_default();
                        [format!("{}-{own}", name.name), long.clone(), format!("{long}{version}")]
                    }
                    None => [own.clone(), own.clone(), own],
                };
                (id, forms)
            })
            .collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (_, forms) in &forms {
            let mut seen: Vec<&str> = forms.iter().map(String::as_str).collect();
            seen.dedup();
            for form in seen {
                *counts.entry(form).or_default() += 1;
            }
        }
        let pick = |forms: &[String; 3]| forms.iter().find(|f| counts[f.as_str()] == 1).unwrap_or(&forms[2]).clone();
        let interfaces = forms.iter().map(|(id, forms)| (*id, pick(forms))).collect();
        Ids { interfaces }
    }

    pub(super) fn interface(&self, id: InterfaceId) -> &str {
        &self.interfaces[&id]
    }

    /// The id of a type that has a name in the WIT.
    pub(super) fn named(&self, resolve: &Resolve, id: TypeId, name: &str) -> String {
        match resolve.types[id].owner {
            TypeOwner::Interface(interface) => format!("{}.{name}", self.interface(interface)),
            TypeOwner::World(world) => format!("{}.{name}", resolve.worlds[world].name),
            TypeOwner::None => name.to_owned(),
        }
    }
}

/// An interface without a name stands inline in a world, under the world's name for it.
fn inline_name(resolve: &Resolve, id: InterfaceId) -> String {
    let in_world = |(_, world): (WorldId, &wit_parser::World)| {
        world.imports.iter().chain(&world.exports).find_map(|(key, item)| match (key, item) {
            (wit_parser::WorldKey::Name(name), wit_parser::WorldItem::Interface { id: i, .. }) if *i == id => {
                Some(format!("{}-{name}", world.name))
            }
            _ => None,
        })
    };
    resolve.worlds.iter().find_map(in_world).unwrap_or_else(|| format!("interface-{}", id.index()))
}

/// Checks that `id` can be a WITX id: one token of the text format.
pub(super) fn legal(id: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-./:<=>?@\\^_`|~".contains(c);
    if !id.is_empty() && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::NotExpressible, format!("`{id}` cannot be a WITX id")))
}
