//! What changed between two versions of an interface, at the level of the core ABI, and what that means for modules that
//! were built against the old one.

mod breaks;
mod parts;
mod shape;
mod side;
mod types;

use crate::abi::{Needs, Track};
use crate::diagnostic::Code;
use crate::witx::{Derivation, FuncRole, Witx};
pub use breaks::{Broken, breaks};
use parts::{Class, Found};
use serde::{Serialize, Serializer};
use shape::Shapes;
use side::{Entry, Mark, Name, Pairs, Side, Unit};
use std::collections::{HashMap, HashSet};
use types::{Flow, Matched, Uses, values};

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
    /// The interface, without its version; `world` for the functions of a world itself.
    pub interface: String,
    /// The function, type or interface that changed; `export f` for an export.
    pub item: String,
    /// How it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// For layouts and meanings: the first byte that is another, and which part of the type that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<FirstByte>,
    /// For types: the core functions through which they pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// The core names that a module is broken by; without a field, any name of the interface.
    #[serde(skip)]
    hits: Vec<Hit>,
    /// What a module needs in order not to be broken.
    #[serde(skip)]
    lacks: Vec<String>,
}

/// A function in whatever form a module uses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Hit {
    mark: Option<Mark>,
    interface: Track,
    function: Option<String>,
}

impl Hit {
    fn of(name: &Name) -> Hit {
        let function = Some(name.function().to_owned());
        Hit { mark: Some(name.mark), interface: Track::of(&name.interface).0, function }
    }
}

/// Where a layout begins to differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstByte {
    /// Bytes from the start of the type; of an element, where the part goes through a list (`[]`).
    pub offset: u32,
    /// The part of the type that was there, such as `address.port` or `names[]`; empty for the whole, padding and the end.
    pub part: String,
}

fn id<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.id())
}

/// The worst of `changes`.
pub fn verdict(changes: &[Change]) -> Verdict {
    changes.iter().map(|c| c.verdict).max().unwrap_or(Verdict::None)
}

/// All changes from `old` to `new`, breaking ones first. Interfaces are matched by name, whatever their versions.
pub fn diff(old: &Derivation, new: &Derivation) -> Vec<Change> {
    let (old, new) = (Side::new(old), Side::new(new));
    let pairs = Pairs::new(&old, &new);
    let matched = Matched::new(&old, &new, &pairs);
    let mut differ = Differ {
        old: &old,
        new: &new,
        matched: &matched,
        shapes: Shapes::new(old.derivation, new.derivation, &matched),
        agreed: HashMap::new(),
    };
    let mut changes = Vec::new();
    // A function that is still there, whatever became of its signature.
    let mut kept: HashSet<&Name> = HashSet::new();
    for &(i, j) in &pairs.both {
        let (was, is) = (&old.units[i], &new.units[j]);
        changes.extend(name(was, is));
        for (key, entry) in &was.functions {
            match is.functions.get(key) {
                Some(other) => {
                    kept.insert(&entry.name);
                    changes.extend(differ.function(entry, other));
                }
                None => changes.push(gone(entry)),
            }
        }
        changes.extend(is.functions.iter().filter(|(key, _)| !was.functions.contains_key(*key)).map(|(_, f)| added(f)));
    }
    changes.extend(pairs.gone.iter().flat_map(|&i| old.units[i].functions.values()).map(gone));
    changes.extend(pairs.added.iter().flat_map(|&j| new.units[j].functions.values()).map(added));
    changes.extend(differ.types(|entry| kept.contains(&entry.name)));
    changes.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.interface.cmp(&b.interface)));
    changes
}

fn change(code: Code, verdict: Verdict, interface: &str, item: String) -> Change {
    let interface = if interface.is_empty() { "world" } else { interface };
    Change {
        code,
        verdict,
        interface: interface.to_owned(),
        item,
        old: None,
        new: None,
        first_byte: None,
        functions: Vec::new(),
        hits: Vec::new(),
        lacks: Vec::new(),
    }
}

fn of_function(code: Code, verdict: Verdict, entry: &Entry<'_>) -> Change {
    let hit = Hit::of(&entry.name);
    let item = format!("{}{}", entry.name.mark.prefix(), entry.name.field);
    Change { hits: vec![hit.clone()], ..change(code, verdict, &hit.interface.interface, item) }
}

/// An interface whose name or version is another. Engines that match names as strings need an alias for it; one of
/// another track, or by another name, is another interface to every engine.
fn name(was: &Unit<'_>, is: &Unit<'_>) -> Option<Change> {
    let is_known = was.names.first().is_none_or(|name| is.names.contains(name));
    if is_known || (was.functions.is_empty() && is.functions.is_empty()) {
        return None;
    }
    let verdict = if was.track == is.track { Verdict::None } else { Verdict::Breaking };
    Some(Change {
        old: was.names.first().cloned(),
        new: is.names.first().cloned(),
        hits: vec![Hit { mark: None, interface: was.track.clone(), function: None }],
        ..change(Code::NameChanged, verdict, &was.track.interface, was.track.interface.clone())
    })
}

fn gone(was: &Entry<'_>) -> Change {
    // An export that is no longer called harms nobody.
    let verdict = if was.name.mark == Mark::Export { Verdict::None } else { Verdict::Breaking };
    Change { old: Some(was.core.to_string()), ..of_function(Code::FunctionGone, verdict, was) }
}

fn added(is: &Entry<'_>) -> Change {
    // An old guest does not export what is newly called.
    let verdict = if is.name.mark == Mark::Export { Verdict::Breaking } else { Verdict::Additive };
    Change { new: Some(is.core.to_string()), ..of_function(Code::FunctionAdded, verdict, is) }
}

/// What a difference between types means where values go these ways.
fn judge(class: Class, flow: Flow) -> (Code, Verdict) {
    let (code, verdict) = match class {
        Class::Layout => (Code::LayoutChanged, Verdict::Breaking),
        Class::Meaning => (Code::MeaningChanged, Verdict::Breaking),
        // The host knows the new ones, so only a guest can meet what it does not know.
        Class::More if flow.to_guest => (Code::CasesAdded, Verdict::Breaking),
        Class::More | Class::Flags => (Code::CasesAdded, Verdict::Additive),
        Class::Fewer if flow.to_host => (Code::CasesGone, Verdict::Breaking),
        Class::Fewer => (Code::CasesGone, Verdict::None),
        Class::Names => (Code::PartRenamed, Verdict::None),
    };
    // What passes nowhere breaks nothing.
    (code, if flow.is_none() { Verdict::None } else { verdict })
}

struct Differ<'s, 'd> {
    old: &'s Side<'d>,
    new: &'s Side<'d>,
    matched: &'s Matched<'d>,
    shapes: Shapes<'s, 'd>,
    agreed: HashMap<(String, String), bool>,
}

impl Differ<'_, '_> {
    fn function(&mut self, was: &Entry<'_>, is: &Entry<'_>) -> Vec<Change> {
        if was.core != is.core {
            return vec![Change {
                old: Some(was.core.to_string()),
                new: Some(is.core.to_string()),
                ..of_function(Code::SignatureChanged, Verdict::Breaking, was)
            }];
        }
        self.needs(was, is).into_iter().chain(self.meaning(was, is)).collect()
    }

    fn needs(&self, was: &Entry<'_>, is: &Entry<'_>) -> Option<Change> {
        let words = |needs: Needs| match (needs.memory, needs.realloc) {
            (_, true) => "memory and realloc",
            (true, false) => "memory",
            (false, false) => "nothing",
        };
        // A guest that never had to export them may have none.
        let names = self.old.derivation.document.abi.names;
        let more = [
            (is.needs.memory && !was.needs.memory, names.memory()),
            (is.needs.realloc && !was.needs.realloc, names.realloc()),
        ];
        let lacks: Vec<_> = more.iter().filter(|(is_new, _)| *is_new).map(|(_, name)| (*name).to_owned()).collect();
        let verdict = if lacks.is_empty() { Verdict::None } else { Verdict::Breaking };
        (was.needs != is.needs).then(|| Change {
            old: Some(words(was.needs).to_owned()),
            new: Some(words(is.needs).to_owned()),
            lacks,
            ..of_function(Code::NeedsChanged, verdict, was)
        })
    }

    /// A function of the same core signature whose values are others, beyond what is told of named types.
    fn meaning(&mut self, was: &Entry<'_>, is: &Entry<'_>) -> Option<Change> {
        let (old, new) = (values(was), values(is));
        let results = |values: &[(&str, &Witx, Flow)]| values.iter().filter(|(name, ..)| *name == "result").count();
        let mut all: Option<(Found, Flow)> = None;
        if old.len() != new.len() || results(&old) != results(&new) {
            let flow = old.iter().chain(&new).fold(Flow::default(), |flow, value| flow.both(value.2));
            all = Some((Found::meaning(0, "", "", ""), flow));
        } else {
            for (&(name, a, flow), &(_, b, _)) in old.iter().zip(&new) {
                let Some(found) = self.value(a, b) else { continue };
                let found = found.at(0, name);
                all = match all {
                    Some((known, before)) if known.class >= found.class => Some((known, before.both(flow))),
                    _ => Some((found, flow)),
                };
            }
        }
        let (mut found, flow) = all.filter(|(found, _)| found.class > Class::Names)?;
        // Numbers in parameters lie nowhere.
        if found.class == Class::Layout && !was.needs.memory {
            found.class = Class::Meaning;
        }
        let (code, verdict) = judge(found.class, flow);
        let first_byte = found.first_byte();
        let (old, new) = match (wit(was.role), wit(is.role)) {
            (Some(old), Some(new)) if old != new => (Some(old.to_owned()), Some(new.to_owned())),
            _ => (found.was, found.is),
        };
        Some(Change { old, new, first_byte, ..of_function(code, verdict, was) })
    }

    fn value(&mut self, was: &Witx, is: &Witx) -> Option<Found> {
        if self.matched.agree(was, is, &mut self.agreed) {
            return None;
        }
        match (self.old.derivation.rebuilt.known(was), self.new.derivation.rebuilt.known(is)) {
            (Some(a), Some(b)) => self.shapes.within(a, b),
            // Resources, as intrinsics name them: their interface and name are those of the function.
            _ => None,
        }
    }

    /// Named types that are on both sides.
    fn types(&mut self, is_kept: impl Fn(&Entry<'_>) -> bool) -> Vec<Change> {
        let mut out = Vec::new();
        let uses = Uses::new(self.old);
        for (was, is) in &self.matched.pairs {
            let layouts = (self.old.derivation.rebuilt.by_id(&was.id), self.new.derivation.rebuilt.by_id(&is.id));
            let (Some(a), Some(b)) = layouts else { continue };
            let is_alias =
                matches!((&was.def, &is.def), (Witx::Name(_) | Witx::List(_), Witx::Name(_) | Witx::List(_)));
            if is_alias && self.matched.agree(&was.def, &is.def, &mut self.agreed) {
                continue;
            }
            let Some(found) = self.shapes.whole(a, b) else { continue };
            let users: Vec<_> = uses.of(&was.id).into_iter().filter(|(entry, _)| is_kept(entry)).collect();
            let flow = users.iter().fold(Flow::default(), |flow, user| flow.both(user.1));
            let (code, verdict) = judge(found.class, flow);
            let interface = was.owner.as_deref().map(|owner| Track::of(owner).0.interface).unwrap_or_default();
            out.push(Change {
                first_byte: found.first_byte(),
                old: found.was,
                new: found.is,
                functions: users.iter().map(|(entry, _)| entry.name.to_string()).collect(),
                hits: users.iter().map(|(entry, _)| Hit::of(&entry.name)).collect(),
                ..change(code, verdict, &interface, was.wit.clone())
            });
        }
        out
    }
}

fn wit(role: &FuncRole) -> Option<&str> {
    match role {
        FuncRole::Call { wit, .. } => Some(wit),
        _ => None,
    }
}
