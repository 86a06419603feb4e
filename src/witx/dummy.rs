//! The third judge: the modules that `wit-component` makes up for a world have every name that a guest may use, with its
//! signature.

use super::derive::Scope;
use super::read::Derivation;
use super::verify::{by_name, difference, tracked};
use crate::abi::{CoreSignature, Forms, ImportName, Names, Resolve};
use crate::adapt::{Item, survey};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use std::borrow::Cow;
use std::collections::BTreeMap;
use wit_parser::{FunctionKind, LiftLowerAbi, ManglingAndAbi, PackageId, World, WorldId, WorldItem, WorldKey};

/// Names and signatures; the module of an export is empty.
type Made = BTreeMap<ImportName, CoreSignature>;

/// Compares all names and signatures, but for `aliases`, which are of older versions; gives the number of distinct names.
pub(super) fn dummies(resolve: &Resolve, scope: &Scope, read_back: &Derivation, aliases: usize) -> Result<usize> {
    let abi = read_back.document.abi;
    let (resolve, world) = match scope {
        Scope::World(world) => (Cow::Borrowed(resolve), *world),
        Scope::Packages(packages) => all_imported(resolve, packages),
    };
    let made = made_up(&resolve, world, abi.names, abi.forms)?;
    let mut found = by_name(read_back);
    let exports_any = !resolve.worlds[world].exports.is_empty();
    let mut compared = 0;
    let named = |name: ImportName| if abi.names == Names::Canonical { tracked(&name) } else { name };
    let made: Made = made.into_iter().map(|(name, core)| (named(name), core)).collect();
    for (name, want) in &made {
        match found.remove(&(name.module.as_str(), name.name.as_str())) {
            Some(have) if have == want => compared += 1,
            Some(have) => return Err(difference(&name.to_string(), want, have)),
            // Support functions belong to a guest that exports something.
            None if !exports_any && name.module.is_empty() => {}
            None => return Err(Diagnostic::new(Code::WitxVerify, format!("`{name}` was not derived"))),
        }
    }
    // Of a constructor's streams no operation is made up, and none of those that no toolchain emits.
    let mut left: Vec<_> = found.into_keys().filter(|(_, name)| !name.contains("[constructor]")).collect();
    left.sort_unstable();
    if abi.forms != Forms::All && left.len() > aliases {
        let names: Vec<String> = left.iter().map(|(module, name)| format!("{module} {name}")).collect();
        return Err(difference("the number of names", format!("{aliases} more than are made up"), names.join(", ")));
    }
    Ok(compared)
}

/// All names of these forms.
fn made_up(resolve: &Resolve, world: WorldId, names: Names, forms: Forms) -> Result<Made> {
    let legacy = ManglingAndAbi::Legacy;
    let mut made = Made::new();
    let mut add = |resolve: &Resolve, mangling, keep: &dyn Fn(&ImportName) -> bool| {
        let module = quietly("wit-component", || wit_component::dummy_module(resolve, world, mangling))?;
        let survey = survey(&module)?;
        let exports = survey.exports.into_iter().map(|(name, item)| (ImportName { module: String::new(), name }, item));
        for (name, item) in survey.imports.into_iter().chain(exports).filter(|(name, _)| keep(name)) {
            if let Item::Func(Some(core)) = item {
                made.insert(unlifted_dtor(name), core);
            }
        }
        Ok::<(), Box<Diagnostic>>(())
    };
    let is_channel = |name: &ImportName| name.name.contains("[stream-") || name.name.contains("[future-");
    match (names, forms) {
        (Names::Cm32p2, _) => add(resolve, ManglingAndAbi::Standard32, &|_| true)?,
        (_, Forms::Sync) => add(resolve, legacy(LiftLowerAbi::Sync), &|_| true)?,
        (_, Forms::Async) => {
            add(resolve, legacy(LiftLowerAbi::AsyncCallback), &|_| true)?;
            // It makes up the streams of asynchronous functions alone.
            add(&all_async(resolve), legacy(LiftLowerAbi::AsyncCallback), &is_channel)?;
        }
        (_, Forms::All) => {
            add(resolve, legacy(LiftLowerAbi::Sync), &|_| true)?;
            add(resolve, legacy(LiftLowerAbi::AsyncCallback), &|_| true)?;
            add(resolve, legacy(LiftLowerAbi::AsyncStackful), &|_| true)?;
            // Synchronous functions may be lowered asynchronously, too.
            add(&all_async(resolve), legacy(LiftLowerAbi::AsyncCallback), &|name| !name.module.is_empty())?;
        }
    }
    Ok(made)
}

/// Destructors are synchronous, and so is their name: the one that is made up with a prefix is not looked for by its maker.
fn unlifted_dtor(mut name: ImportName) -> ImportName {
    let prefixes = ["[async-lift]", "[async-lift-stackful]"];
    let bare =
        prefixes.iter().find_map(|prefix| name.name.strip_prefix(prefix)).filter(|bare| bare.contains("#[dtor]"));
    if let Some(bare) = bare {
        name.name = bare.to_owned();
    }
    name
}

/// The same WIT with every function but the constructors `async`.
fn all_async(resolve: &Resolve) -> Resolve {
    let mut resolve = resolve.clone();
    let made = |kind: &mut FunctionKind| match *kind {
        FunctionKind::Freestanding => *kind = FunctionKind::AsyncFreestanding,
        FunctionKind::Method(id) => *kind = FunctionKind::AsyncMethod(id),
        FunctionKind::Static(id) => *kind = FunctionKind::AsyncStatic(id),
        _ => {}
    };
    for (_, interface) in resolve.interfaces.iter_mut() {
        interface.functions.values_mut().for_each(|f| made(&mut f.kind));
    }
    for (_, world) in resolve.worlds.iter_mut() {
        for item in world.imports.values_mut().chain(world.exports.values_mut()) {
            if let WorldItem::Function(function) = item {
                made(&mut function.kind);
            }
        }
    }
    resolve
}

/// A world that imports every interface of these packages.
fn all_imported<'r>(resolve: &Resolve, packages: &[PackageId]) -> (Cow<'r, Resolve>, WorldId) {
    let mut resolve = resolve.clone();
    let interfaces = packages.iter().flat_map(|&p| resolve.packages[p].interfaces.values().copied());
    let imports = interfaces.map(|id| {
        let item = WorldItem::Interface {
            id,
            stability: Default::default(),
            external_id: None,
            docs: Default::default(),
            span: Default::default(),
        };
        (WorldKey::Interface(id), item)
    });
    let imports = imports.collect();
    let world = resolve.worlds.alloc(World {
        name: "all".to_owned(),
        imports,
        exports: Default::default(),
        package: None,
        docs: Default::default(),
        stability: Default::default(),
        includes: Vec::new(),
        span: Default::default(),
    });
    (Cow::Owned(resolve), world)
}
