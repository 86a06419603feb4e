//! Ids: one flat name space for a whole document.

use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use std::hash::Hash;
use wit_parser::{InterfaceId, PackageId, Resolve, TypeId, TypeOwner, WorldId, WorldItem, WorldKey};

/// Names of the interfaces and worlds in scope, as short as they can be while differing.
#[derive(Debug)]
pub(super) struct Ids {
    interfaces: HashMap<InterfaceId, String>,
    worlds: HashMap<WorldId, String>,
}

impl Ids {
    pub(super) fn new(resolve: &Resolve) -> Ids {
        let inline = inline_names(resolve);
        let interfaces = resolve.interfaces.iter().map(|(id, interface)| {
            let own = interface.name.clone().or_else(|| inline.get(&id).cloned());
            let own = own.unwrap_or_else(|| format!("interface-{}", id.index()));
            (id, forms(resolve, interface.package, &own, |package, own| format!("{package}-{own}")))
        });
        let worlds = resolve
            .worlds
            .iter()
            .map(|(id, world)| (id, forms(resolve, world.package, &world.name, |_, own| own.to_owned())));
        Ids { interfaces: shortest(interfaces.collect()), worlds: shortest(worlds.collect()) }
    }

    pub(super) fn interface(&self, id: InterfaceId) -> &str {
        &self.interfaces[&id]
    }

    /// The id of a type that has a name in the WIT.
    pub(super) fn named(&self, resolve: &Resolve, id: TypeId, name: &str) -> String {
        match resolve.types[id].owner {
            TypeOwner::Interface(interface) => format!("{}.{name}", self.interface(interface)),
            TypeOwner::World(world) => format!("{}.{name}", self.worlds[&world]),
            TypeOwner::None => name.to_owned(),
        }
    }
}

/// Forms of a name, the shortest first: with the package, with its namespace too, and with its version.
fn forms(
    resolve: &Resolve,
    package: Option<PackageId>,
    own: &str,
    short: impl Fn(&str, &str) -> String,
) -> [String; 3] {
    let Some(package) = package else { return [own.to_owned(), own.to_owned(), own.to_owned()] };
    let name = &resolve.packages[package].name;
    let long = format!("{}-{}-{own}", name.namespace, name.name);
    let version = name.version.as_ref().map(|v| format!("@{v}")).unwrap_or_default();
    [short(&name.name, own), long.clone(), format!("{long}{version}")]
}

/// The shortest form of each that no other has.
fn shortest<K: Copy + Eq + Hash>(all: Vec<(K, [String; 3])>) -> HashMap<K, String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, forms) in &all {
        let mut seen: Vec<&str> = forms.iter().map(String::as_str).collect();
        seen.dedup();
        for form in seen {
            *counts.entry(form).or_default() += 1;
        }
    }
    let pick = |forms: &[String; 3]| forms.iter().find(|f| counts[f.as_str()] == 1).unwrap_or(&forms[2]).clone();
    all.iter().map(|(key, forms)| (*key, pick(forms))).collect()
}

/// An interface without a name stands inline in a world, under the world's name for it. A world may have one of that name
/// on either side.
fn inline_names(resolve: &Resolve) -> HashMap<InterfaceId, String> {
    let mut names = HashMap::new();
    for (_, world) in resolve.worlds.iter() {
        for (items, other, side) in [(&world.imports, &world.exports, ""), (&world.exports, &world.imports, "-export")]
        {
            for (key, item) in items {
                let (WorldKey::Name(name), WorldItem::Interface { id, .. }) = (key, item) else { continue };
                let both = other.contains_key(key) && !side.is_empty();
                let side = if both { side } else { "" };
                names.entry(*id).or_insert_with(|| format!("{}{side}-{name}", world.name));
            }
        }
    }
    names
}

/// Checks that `id` can be a WITX id: one token of the text format.
pub(super) fn legal(id: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-./:<=>?@\\^_`|~".contains(c);
    if !id.is_empty() && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::NotExpressible, format!("`{id}` cannot be a WITX id")))
}
