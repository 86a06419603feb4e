//! Packages of binary WIT that depend on each other in a circle.
//!
//! No WIT is encoded like that, and a decoder that follows the dependencies never comes back. A binary can say it still:
//! interfaces are in order, but the packages that their names tell need not be.

use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration,
    ComponentTypeRef, InstanceTypeDeclaration, Parser, Payload, TypeBounds,
};

/// Fails with [`Code::TypeInformation`] if the packages of a component, a WIT package, or of what a core module carries of
/// these, depend on each other in a circle; with [`Code::TooLarge`] if its types are too deep to be read.
pub(crate) fn refuse_cycles(wasm: &[u8]) -> Result<()> {
    super::refuse_deep(wasm)?;
    let mut edges = Edges::default();
    // What is not valid is refused by whoever reads it next, with a better reason.
    let _ = root(wasm, &mut edges);
    match edges.cycle() {
        None => Ok(()),
        Some(package) => {
            Err(Diagnostic::new(Code::TypeInformation, "its WIT packages depend on each other in a circle")
                .fact("package", package))
        }
    }
}

type Read<T = ()> = std::result::Result<T, wasmparser::BinaryReaderError>;

/// From a package to those whose types it uses.
#[derive(Default)]
struct Edges(BTreeMap<String, BTreeSet<String>>);

impl Edges {
    fn add(&mut self, from: &str, to: &str) {
        if from != to {
            self.0.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
    }

    /// A package that comes back to itself.
    fn cycle(&self) -> Option<&str> {
        let mut left: BTreeMap<&str, usize> = self.0.iter().map(|(from, to)| (from.as_str(), to.len())).collect();
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in &self.0 {
            to.iter().for_each(|to| users.entry(to).or_default().push(from));
        }
        let mut done: Vec<&str> = users.keys().copied().filter(|package| !left.contains_key(package)).collect();
        while let Some(package) = done.pop() {
            for user in users.get(package).into_iter().flatten() {
                let open = left.entry(user).or_default();
                *open -= 1;
                if *open == 0 {
                    left.remove(user);
                    done.push(user);
                }
            }
        }
        left.into_keys().next()
    }
}

/// The package of an interface's name, with its version.
fn package(name: &str) -> Option<String> {
    let (package, interface) = name.split_once('/')?;
    let version = interface.split_once('@').map(|(_, version)| format!("@{version}"));
    Some(format!("{package}{}", version.unwrap_or_default()))
}

/// What is in scope: for each type the package of the instance that it was taken from, what each instance or component type
/// refers to outside of itself, and the package of each instance.
#[derive(Default)]
struct Scope {
    types: Vec<Entry>,
    instances: Vec<Option<String>>,
}

#[derive(Default, Clone)]
struct Entry {
    package: Option<String>,
    /// Packages that a type of an instance or component uses.
    uses: BTreeSet<String>,
}

impl Scope {
    fn entry(&self, index: u32) -> Entry {
        self.types.get(index as usize).cloned().unwrap_or_default()
    }

    /// An import or export, which is an item of its own.
    fn item(&mut self, name: &str, ty: ComponentTypeRef, edges: &mut Edges) {
        match ty {
            ComponentTypeRef::Instance(index) | ComponentTypeRef::Component(index) => {
                let package = package(name);
                if let Some(package) = &package {
                    self.entry(index).uses.iter().for_each(|used| edges.add(package, used));
                }
                if let ComponentTypeRef::Instance(_) = ty {
                    self.instances.push(package);
                }
            }
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => self.types.push(self.entry(index)),
            ComponentTypeRef::Type(TypeBounds::SubResource) => self.types.push(Entry::default()),
            _ => {}
        }
    }

    /// An alias; `outside` are the scopes around this one, the nearest last.
    fn alias(&mut self, alias: &ComponentAlias<'_>, outside: &[Scope]) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, instance_index, .. } => {
                let package = self.instances.get(*instance_index as usize).cloned().flatten();
                self.types.push(Entry { package, uses: BTreeSet::new() });
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Instance, .. } => self.instances.push(None),
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let scope = outside.len().checked_sub(*count as usize).and_then(|at| outside.get(at));
                let entry = scope.map(|scope| scope.entry(*index)).unwrap_or_default();
                used.extend(entry.package.clone());
                used.extend(entry.uses.iter().cloned());
                self.types.push(entry);
            }
            _ => {}
        }
        used
    }
}

/// The outermost scope of a component; of a core module, all that it carries.
fn root(wasm: &[u8], edges: &mut Edges) -> Read {
    let mut scopes = vec![Scope::default()];
    let (mut depth, core) = (0, !Parser::is_component(wasm));
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= i32::from(depth > 0),
            _ if depth > 0 => {}
            Payload::CustomSection(section)
                if core && section.name().starts_with("component-type") && Parser::is_component(section.data()) =>
            {
                root(section.data(), edges)?;
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section {
                    let entry = declared(&ty?, &mut scopes, edges);
                    scopes[0].types.push(entry);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    scopes[0].item(import.name.name, import.ty, edges);
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    scopes[0].alias(&alias?, &[]);
                }
            }
            Payload::ComponentInstanceSection(section) => {
                (0..section.count()).for_each(|_| scopes[0].instances.push(None));
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    match (export.kind, export.ty) {
                        (_, Some(ty)) => scopes[0].item(export.name.name, ty, edges),
                        (ComponentExternalKind::Instance, None) => scopes[0].instances.push(package(export.name.name)),
                        (ComponentExternalKind::Type, None) => {
                            let entry = scopes[0].entry(export.index);
                            if let Some(package) = package(export.name.name) {
                                entry.uses.iter().for_each(|used| edges.add(&package, used));
                            }
                            scopes[0].types.push(entry);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a type uses of the scopes around it.
fn declared(ty: &ComponentType<'_>, scopes: &mut Vec<Scope>, edges: &mut Edges) -> Entry {
    let mut uses = BTreeSet::new();
    // Scopes nest no deeper than the format's readers allow.
    match ty {
        ComponentType::Component(items) => {
            scopes.push(Scope::default());
            for item in items.iter() {
                match item {
                    ComponentTypeDeclaration::Type(ty) => nested(ty, scopes, edges),
                    ComponentTypeDeclaration::Alias(alias) => uses.extend(aliased(alias, scopes)),
                    ComponentTypeDeclaration::Import(import) => {
                        named(import.name.name, import.ty, scopes, edges, &mut uses)
                    }
                    ComponentTypeDeclaration::Export { name, ty } => named(name.name, *ty, scopes, edges, &mut uses),
                    ComponentTypeDeclaration::CoreType(_) => {}
                }
            }
            scopes.pop();
        }
        ComponentType::Instance(items) => {
            scopes.push(Scope::default());
            for item in items.iter() {
                match item {
                    InstanceTypeDeclaration::Type(ty) => nested(ty, scopes, edges),
                    InstanceTypeDeclaration::Alias(alias) => uses.extend(aliased(alias, scopes)),
                    InstanceTypeDeclaration::Export { name, ty } => named(name.name, *ty, scopes, edges, &mut uses),
                    InstanceTypeDeclaration::CoreType(_) => {}
                }
            }
            scopes.pop();
        }
        _ => {}
    }
    Entry { package: None, uses }
}

fn nested(ty: &ComponentType<'_>, scopes: &mut Vec<Scope>, edges: &mut Edges) {
    let entry = declared(ty, scopes, edges);
    if let Some(scope) = scopes.last_mut() {
        scope.types.push(entry);
    }
}

fn aliased(alias: &ComponentAlias<'_>, scopes: &mut Vec<Scope>) -> BTreeSet<String> {
    let Some(mut scope) = scopes.pop() else { return BTreeSet::new() };
    // Counted from the scope itself, which is 0.
    let used = scope.alias(alias, scopes);
    scopes.push(scope);
    used
}

fn named(name: &str, ty: ComponentTypeRef, scopes: &mut [Scope], edges: &mut Edges, uses: &mut BTreeSet<String>) {
    let Some(scope) = scopes.last_mut() else { return };
    if let ComponentTypeRef::Instance(index) = ty {
        // A world depends on what its interfaces depend on.
        uses.extend(scope.entry(index).uses);
    }
    scope.item(name, ty, edges);
}
