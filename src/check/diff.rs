//! What changed between two versions of an interface, at the level of the core ABI, and what that means for modules that
//! were built against the old one.

use super::shape::{Change as ShapeChange, Shapes};
use crate::abi::{CoreSignature, Direction, ImportName, Needs, Track};
use crate::adapt::{Item, Survey};
use crate::diagnostic::Code;
use crate::witx::{Derivation, FuncRole, TypeName, Witx};
use indexmap::IndexMap;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// What a change means for a deployed guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing.
    None,
    /// There is more than before; guests that do not use it are as they were.
    Additive,
    /// Guests that use it fail to link, trap, or misread memory.
    Breaking,
}

impl Verdict {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::None => "none",
            Verdict::Additive => "additive",
            Verdict::Breaking => "breaking",
        }
    }
}

/// One change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Such as `LL0701`.
    #[serde(serialize_with = "id")]
    pub code: Code,
    /// What it means.
    pub verdict: Verdict,
    /// The interface, without its version; `exports` for exports.
    pub interface: String,
    /// The function, type or interface that changed.
    pub item: String,
    /// How it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// For layouts: the first byte that is another, and which part of the type that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<FirstByte>,
    /// For types: the core functions through which they pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
}

/// Where a layout begins to differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstByte {
    /// Bytes from the start of the type.
    pub offset: u32,
    /// The part of the type that was there, such as `address.port`; empty for its end.
    pub part: String,
}

/// What a change does to a module.
#[derive(Debug, Clone, Serialize)]
pub struct Broken {
    /// The import that no longer fits, or the export that is now wanted.
    pub item: String,
    /// Why: the code of the change.
    #[serde(serialize_with = "id")]
    pub code: Code,
    /// What changed: the function itself, or a type that passes through it.
    pub because: String,
}

fn id<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.id())
}

/// The worst of `changes`.
pub fn verdict(changes: &[Change]) -> Verdict {
    changes.iter().map(|c| c.verdict).max().unwrap_or(Verdict::None)
}

/// An interface by its name without the version, and a field.
type Key = (Track, String);

/// The functions of one side.
struct Side<'d> {
    derivation: &'d Derivation,
    functions: IndexMap<Key, Entry<'d>>,
}

struct Entry<'d> {
    direction: Direction,
    core: &'d CoreSignature,
    needs: Needs,
    role: &'d FuncRole,
    /// With the version.
    module: String,
}

impl<'d> Side<'d> {
    fn new(derivation: &'d Derivation) -> Side<'d> {
        let mut functions = IndexMap::new();
        for (module, func, abi) in derivation.rebuilt.functions(&derivation.document) {
            let (interface, field) = match (module.direction, func.name.split_once('#')) {
                (Direction::Import, _) => (module.core_name.as_str(), func.name.as_str()),
                (Direction::Export, Some((interface, field))) => (interface, field),
                (Direction::Export, None) => ("", func.name.as_str()),
            };
            let (prefix, interface) = match interface.rsplit_once(']') {
                Some((prefix, interface)) if module.direction == Direction::Export => (prefix, interface),
                _ => ("", interface),
            };
            let track = Track { track: None, ..Track::of(interface).0 };
            let side = if module.direction == Direction::Export { "export " } else { "" };
            let key = (track, format!("{side}{prefix}{field}"));
            functions.entry(key).or_insert(Entry {
                direction: module.direction,
                core: &abi.core,
                needs: func.needs,
                role: &func.role,
                module: interface.to_owned(),
            });
        }
        Side { derivation, functions }
    }
}

/// All changes from `old` to `new`, breaking ones first. Interfaces are matched by name, whatever their versions.
pub fn diff(old: &Derivation, new: &Derivation) -> Vec<Change> {
    let (old, new) = (Side::new(old), Side::new(new));
    let mut changes = versions(&old, &new);
    for ((track, field), was) in &old.functions {
        match new.functions.get(&(track.clone(), field.clone())) {
            Some(is) => changes.extend(function(track, field, was, is)),
            None if matches!(was.role, FuncRole::PostReturn) => {}
            None => changes.push(gone(track, field, was)),
        }
    }
    for ((track, field), is) in &new.functions {
        let is_known = old.functions.contains_key(&(track.clone(), field.clone()));
        if !is_known && !matches!(is.role, FuncRole::PostReturn) {
            changes.push(added(track, field, is));
        }
    }
    changes.extend(types(&old, &new));
    changes.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(a.interface.cmp(&b.interface)));
    changes
}

fn change(code: Code, verdict: Verdict, interface: &str, item: &str) -> Change {
    let interface = if interface.is_empty() { "world" } else { interface };
    Change {
        code,
        verdict,
        interface: interface.to_owned(),
        item: item.to_owned(),
        old: None,
        new: None,
        first_byte: None,
        functions: Vec::new(),
    }
}

/// Interfaces whose name or version is another. Engines that match names as strings need an alias for it; those of
/// another track are other interfaces to every engine.
fn versions(old: &Side<'_>, new: &Side<'_>) -> Vec<Change> {
    let names = |side: &Side<'_>| {
        let mut names: IndexMap<String, String> = IndexMap::new();
        for ((track, _), entry) in &side.functions {
            names.entry(track.interface.clone()).or_insert_with(|| entry.module.clone());
        }
        names
    };
    let (old, new) = (names(old), names(new));
    let renamed = old.iter().filter_map(|(interface, was)| Some((interface, was, new.get(interface)?)));
    let renamed = renamed.filter(|(_, was, is)| was != is).map(|(interface, was, is)| {
        let same_track = Track::of(was).0 == Track::of(is).0;
        let verdict = if same_track { Verdict::None } else { Verdict::Breaking };
        Change {
            old: Some(was.clone()),
            new: Some(is.clone()),
            ..change(Code::NameChanged, verdict, interface, interface)
        }
    });
    renamed.collect()
}

fn function(track: &Track, field: &str, was: &Entry<'_>, is: &Entry<'_>) -> Option<Change> {
    if was.core != is.core {
        return Some(Change {
            old: Some(was.core.to_string()),
            new: Some(is.core.to_string()),
            ..change(Code::SignatureChanged, Verdict::Breaking, &track.interface, field)
        });
    }
    let words = |needs: Needs| match (needs.memory, needs.realloc) {
        (_, true) => "memory and realloc",
        (true, false) => "memory",
        (false, false) => "nothing",
    };
    // A guest that never had to export a realloc may have none.
    let more = (is.needs.memory && !was.needs.memory) || (is.needs.realloc && !was.needs.realloc);
    (was.needs != is.needs).then(|| Change {
        old: Some(words(was.needs).to_owned()),
        new: Some(words(is.needs).to_owned()),
        ..change(Code::NeedsChanged, if more { Verdict::Breaking } else { Verdict::None }, &track.interface, field)
    })
}

fn gone(track: &Track, field: &str, was: &Entry<'_>) -> Change {
    // An export that is no longer called harms nobody.
    let verdict = if was.direction == Direction::Import { Verdict::Breaking } else { Verdict::None };
    Change { old: Some(was.core.to_string()), ..change(Code::FunctionGone, verdict, &track.interface, field) }
}

fn added(track: &Track, field: &str, is: &Entry<'_>) -> Change {
    // An old guest does not export what is newly called.
    let is_wanted = is.direction == Direction::Export && matches!(is.role, FuncRole::Call { .. });
    let verdict = if is_wanted { Verdict::Breaking } else { Verdict::Additive };
    Change { new: Some(is.core.to_string()), ..change(Code::FunctionAdded, verdict, &track.interface, field) }
}

/// Named types that are on both sides, by the interface that defines them.
fn types(old: &Side<'_>, new: &Side<'_>) -> Vec<Change> {
    let key = |ty: &TypeName| Some((Track::of(ty.owner.as_deref()?).0.interface, ty.wit.clone()));
    let of_new: HashMap<_, _> = new.derivation.document.types.iter().filter_map(|ty| Some((key(ty)?, ty))).collect();
    let mut shapes = Shapes::new(old.derivation, new.derivation);
    let mut out = Vec::new();
    for was in &old.derivation.document.types {
        let Some(key) = key(was) else { continue };
        let Some(is) = of_new.get(&key) else { continue };
        let Some(found) = shapes.compare(was, is) else { continue };
        let (code, verdict) = match &found {
            ShapeChange::Layout { .. } => (Code::LayoutChanged, Verdict::Breaking),
            ShapeChange::Meaning { .. } => (Code::MeaningChanged, Verdict::Breaking),
            ShapeChange::More { .. } => (Code::CasesAdded, Verdict::Breaking),
            ShapeChange::Flags { .. } => (Code::CasesAdded, Verdict::Additive),
            ShapeChange::Names { .. } => (Code::PartRenamed, Verdict::None),
        };
        let functions = users(old.derivation, &was.id);
        let (text_old, text_new, first_byte) = found.describe();
        out.push(Change {
            old: Some(text_old),
            new: Some(text_new),
            first_byte,
            // What passes nowhere breaks nothing.
            verdict: if functions.is_empty() { Verdict::None } else { verdict },
            functions,
            ..change(code, verdict, &key.0, &key.1)
        });
    }
    out
}

/// The core functions through which a type passes, as `module name`.
fn users(derivation: &Derivation, id: &str) -> Vec<String> {
    // Types that hold it. Each type comes after those that it uses, so one pass finds them all.
    let mut holding: HashSet<&str> = HashSet::from([id]);
    let holds = |ty: &Witx, holding: &HashSet<&str>| names(ty).iter().any(|name| holding.contains(name));
    for ty in &derivation.document.types {
        if holds(&ty.def, &holding) || payload(ty).is_some_and(|ty| holds(ty, &holding)) {
            holding.insert(&ty.id);
        }
    }
    let functions = derivation.document.functions().filter(|(_, func)| match &func.role {
        FuncRole::Call { params, result, .. } => {
            params.iter().map(|p| &p.ty).chain(result).any(|ty| holds(ty, &holding))
        }
        FuncRole::Channel(_, ty) => holds(ty, &holding),
        FuncRole::TaskReturn { result } => result.as_ref().is_some_and(|ty| holds(ty, &holding)),
        _ => false,
    });
    functions.map(|(module, func)| format!("{} {}", module.core_name, func.name).trim().to_owned()).collect()
}

fn payload(ty: &TypeName) -> Option<&Witx> {
    match &ty.kind {
        crate::witx::TypeKind::Stream(payload) | crate::witx::TypeKind::Future(payload) => payload.as_ref(),
        crate::witx::TypeKind::FixedList(element, _) => Some(element),
        _ => None,
    }
}

/// The ids that an expression names.
fn names(ty: &Witx) -> Vec<&str> {
    match ty {
        Witx::Name(id) => vec![id],
        Witx::List(ty) | Witx::Pointer(ty) | Witx::ConstPointer(ty) => names(ty),
        Witx::Tuple(types) => types.iter().flat_map(names).collect(),
        Witx::Record(fields) => fields.iter().flat_map(|(_, ty)| names(ty)).collect(),
        Witx::Variant(_, cases) => cases.iter().filter_map(|(_, ty)| ty.as_ref()).flat_map(names).collect(),
        Witx::Builtin(_) | Witx::Handle | Witx::Flags(..) | Witx::Enum(..) => Vec::new(),
    }
}

/// Which of `changes` break a module, and by which of its imports, or of the exports that it lacks.
pub fn breaks(changes: &[Change], survey: &Survey) -> Vec<Broken> {
    let mut out = Vec::new();
    let untracked = |name: &str| Track::of(name).0.interface;
    for change in changes.iter().filter(|c| c.verdict == Verdict::Breaking) {
        let broken =
            |item: String| Broken { item, code: change.code, because: format!("{} {}", change.interface, change.item) };
        if let Some(wanted) = change.item.strip_prefix("export ") {
            let has = survey.exports.keys().any(|export| match export.split_once('#') {
                Some((interface, field)) => untracked(interface) == change.interface && field == wanted,
                None => change.interface == "world" && export == wanted,
            });
            // One that is gone from the guest, or one whose signature is another.
            if has != (change.code == Code::FunctionAdded) {
                out.push(broken(wanted.to_owned()));
            }
            continue;
        }
        let through: HashSet<(String, &str)> =
            change.functions.iter().filter_map(|f| f.split_once(' ')).map(|(m, f)| (untracked(m), f)).collect();
        for (name, item) in &survey.imports {
            let ImportName { module, name: field } = name;
            let module = untracked(module);
            let is_hit = match change.code {
                Code::NameChanged => module == change.interface,
                Code::LayoutChanged | Code::MeaningChanged | Code::CasesAdded => {
                    through.contains(&(module, field.as_str()))
                }
                _ => module == change.interface && *field == change.item,
            };
            if is_hit && matches!(item, Item::Func(_)) {
                out.push(broken(name.to_string()));
            }
        }
    }
    out
}
