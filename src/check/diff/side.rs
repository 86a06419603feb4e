//! The functions of one side by interface, and which interfaces of two sides belong together.

use crate::abi::{CoreSignature, Direction, Needs, ResourceOp, Track};
use crate::witx::{Derivation, FuncRole};
use indexmap::IndexMap;
use semver::Version;
use std::collections::HashMap;
use std::fmt;

/// On which side of a module a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Mark {
    /// It is imported.
    Import,
    /// It is imported too, but serves an export: `[resource-new]` and its kin.
    Intrinsic,
    /// It is exported.
    Export,
}

impl Mark {
    /// How items of it are told from imports.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Mark::Import => "",
            Mark::Intrinsic => "[export]",
            Mark::Export => "export ",
        }
    }
}

/// A core name taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) mark: Mark,
    /// With its version; empty for the functions of a world.
    pub(super) interface: String,
    /// Without the prefixes of exports.
    pub(super) field: String,
}

impl Name {
    pub(super) fn import(module: &str, field: &str) -> Name {
        let (mark, interface) = match module {
            "$root" | "cm32p2" => (Mark::Import, ""),
            "[export]$root" => (Mark::Intrinsic, ""),
            other => match other.strip_prefix("[export]").or(other.strip_prefix("cm32p2|_ex_")) {
                Some(interface) => (Mark::Intrinsic, interface),
                None => (Mark::Import, other.strip_prefix("cm32p2|").unwrap_or(other)),
            },
        };
        Name { mark, interface: interface.to_owned(), field: field.to_owned() }
    }

    pub(super) fn export(name: &str) -> Name {
        let lifts = ["[async-lift]", "[async-lift-stackful]"];
        let (lift, rest) = lifts.iter().find_map(|lift| Some((*lift, name.strip_prefix(lift)?))).unwrap_or(("", name));
        let parts = match rest.strip_prefix("cm32p2|") {
            Some(rest) => rest.split_once('|'),
            None => rest.split_once('#'),
        };
        let (interface, field) = parts.unwrap_or(("", rest));
        Name { mark: Mark::Export, interface: interface.to_owned(), field: format!("{lift}{field}") }
    }

    /// The function that this is a form of, or works for: `[async-lower]f` and `[stream-read-0]f` are forms of `f`.
    pub(super) fn function(&self) -> &str {
        let mut rest = self.field.as_str();
        while let Some((word, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let is_form = ["async-", "task-return", "stream-", "future-"].iter().any(|form| word.starts_with(form));
            if !is_form {
                break;
            }
            rest = after;
        }
        rest
    }
}

impl fmt::Display for Name {
    /// As in a module: `wasi:http/types@0.2.12 [method]fields.get`, `wasi:cli/run@0.2.12#run`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { mark, interface, field } = self;
        match (mark, interface.as_str()) {
            (Mark::Export, "") => write!(f, "{field}"),
            (Mark::Export, interface) => write!(f, "{interface}#{field}"),
            (mark, "") => write!(f, "{}$root {field}", mark.prefix()),
            (mark, interface) => write!(f, "{}{interface} {field}", mark.prefix()),
        }
    }
}

/// A core function.
pub(super) struct Entry<'d> {
    pub(super) name: Name,
    pub(super) core: &'d CoreSignature,
    pub(super) needs: Needs,
    pub(super) role: &'d FuncRole,
    version: Option<Version>,
}

/// All versions of an interface within one track.
pub(super) struct Unit<'d> {
    pub(super) track: Track,
    /// Every name that it has here: with aliases there are several.
    pub(super) names: Vec<String>,
    /// The newest version among them.
    version: Option<Version>,
    /// What owns its types.
    owners: Vec<&'d str>,
    /// Functions as the newest version has them.
    pub(super) functions: IndexMap<(Mark, String), Entry<'d>>,
}

/// One side.
pub(super) struct Side<'d> {
    pub(super) derivation: &'d Derivation,
    pub(super) units: IndexMap<Track, Unit<'d>>,
}

impl<'d> Side<'d> {
    pub(super) fn new(derivation: &'d Derivation) -> Side<'d> {
        let mut side = Side { derivation, units: IndexMap::new() };
        for module in derivation.document.modules().filter(|m| m.direction == Direction::Import) {
            let unit = side.unit(&Name::import(&module.core_name, "").interface);
            unit.owners.extend(module.interface.as_deref());
        }
        for (module, func, abi) in derivation.rebuilt.functions(&derivation.document) {
            let name = match module.direction {
                Direction::Import => Name::import(&module.core_name, &func.name),
                Direction::Export => Name::export(&func.name),
            };
            // They follow from others: what frees, calls back or allocates comes with what needs it.
            if matches!(func.role, FuncRole::PostReturn | FuncRole::Callback | FuncRole::Realloc | FuncRole::Initialize)
                || matches!(func.role, FuncRole::Resource(ResourceOp::Dtor, _))
            {
                continue;
            }
            let version = Track::of(&name.interface).1;
            let unit = side.unit(&name.interface);
            let key = (name.mark, name.field.clone());
            if unit.functions.get(&key).is_none_or(|known| known.version < version) {
                let entry = Entry { name, core: &abi.core, needs: func.needs, role: &func.role, version };
                unit.functions.insert(key, entry);
            }
        }
        side
    }

    fn unit(&mut self, interface: &str) -> &mut Unit<'d> {
        let (track, version) = Track::of(interface);
        let unit = self.units.entry(track.clone()).or_insert_with(|| Unit {
            track,
            names: Vec::new(),
            version: None,
            owners: Vec::new(),
            functions: IndexMap::new(),
        });
        if !unit.names.iter().any(|name| name == interface) {
            // The newest is the first.
            let at = if version >= unit.version { 0 } else { unit.names.len() };
            unit.names.insert(at, interface.to_owned());
        }
        unit.version = version.max(unit.version.take());
        unit
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Entry<'d>> {
        self.units.values().flat_map(|unit| unit.functions.values())
    }
}

/// Which interfaces belong together: positions in the units of both sides.
pub(super) struct Pairs {
    pub(super) both: Vec<(usize, usize)>,
    pub(super) gone: Vec<usize>,
    pub(super) added: Vec<usize>,
}

impl Pairs {
    /// By name and track; then by name alone; then by what they have, where an interface has another name.
    pub(super) fn new(old: &Side<'_>, new: &Side<'_>) -> Pairs {
        let mut pairs =
            Pairs { both: Vec::new(), gone: (0..old.units.len()).collect(), added: (0..new.units.len()).collect() };
        let (old, new): (Vec<_>, Vec<_>) = (old.units.values().collect(), new.units.values().collect());
        pairs.take(|i, added| added.iter().position(|&j| new[j].track == old[i].track));
        pairs.take(|i, added| added.iter().position(|&j| new[j].track.interface == old[i].track.interface));
        // The functions of a world have no package, and no other name.
        let package = |unit: &Unit<'_>| {
            let package = unit.track.interface.split_once('/').map(|(package, _)| package.to_owned());
            (package.or((!unit.track.interface.is_empty()).then(String::new)), unit.track.track.clone())
        };
        let looks = |unit: &Unit<'_>| {
            let mut functions: Vec<_> = unit.functions.iter().map(|(key, f)| (key.clone(), f.core.clone())).collect();
            functions.sort();
            functions
        };
        let mut counts: HashMap<_, (usize, usize)> = HashMap::new();
        let olds: Vec<_> = old.iter().map(|unit| looks(unit)).collect();
        let news: Vec<_> = new.iter().map(|unit| looks(unit)).collect();
        pairs.gone.iter().for_each(|&i| counts.entry(&olds[i]).or_default().0 += 1);
        pairs.added.iter().for_each(|&j| counts.entry(&news[j]).or_default().1 += 1);
        pairs.take(|i, added| {
            let alone = !olds[i].is_empty() && counts[&olds[i]] == (1, 1);
            added.iter().position(|&j| alone && news[j] == olds[i] && package(new[j]) == package(old[i]))
        });
        pairs
    }

    fn take(&mut self, partner: impl Fn(usize, &[usize]) -> Option<usize>) {
        for i in std::mem::take(&mut self.gone) {
            match partner(i, &self.added) {
                Some(at) => self.both.push((i, self.added.remove(at))),
                None => self.gone.push(i),
            }
        }
    }

    /// For each side, the pair that the owner of a type belongs to.
    pub(super) fn owners<'d>(&self, side: &Side<'d>, pick: fn(&(usize, usize)) -> usize) -> HashMap<&'d str, usize> {
        let mut out = HashMap::new();
        for (number, pair) in self.both.iter().enumerate() {
            out.extend(side.units[pick(pair)].owners.iter().map(|&owner| (owner, number)));
        }
        for owner in side.derivation.document.types.iter().filter_map(|ty| ty.owner.as_deref()) {
            let unit = side.units.get_index_of(&Track::of(owner).0);
            let number = unit.and_then(|unit| self.both.iter().position(|pair| pick(pair) == unit));
            if let Some(number) = number {
                out.entry(owner).or_insert(number);
            }
        }
        out
    }
}
