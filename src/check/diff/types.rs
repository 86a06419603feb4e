//! Which types of two sides belong together, and through which functions they pass.

use super::side::{Entry, Pairs, Side};
use crate::abi::Track;
use crate::witx::{FuncRole, TypeKind, TypeName, Witx};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

/// Named types that are on both sides, each with its partner.
pub(super) struct Matched<'d> {
    /// In the order of the old document.
    pub(super) pairs: Vec<(&'d TypeName, &'d TypeName)>,
    /// Ids of the old to ids of the new.
    forward: HashMap<&'d str, &'d str>,
    old: HashMap<&'d str, &'d TypeName>,
    new: HashMap<&'d str, &'d TypeName>,
}

impl<'d> Matched<'d> {
    /// By interface and name; what is left, by a name that only one on each side has: those moved.
    pub(super) fn new(old: &Side<'d>, new: &Side<'d>, interfaces: &Pairs) -> Matched<'d> {
        let (owners_old, owners_new) = (interfaces.owners(old, |p| p.0), interfaces.owners(new, |p| p.1));
        let key = |ty: &'d TypeName, owners: &HashMap<&str, usize>| {
            let owner = ty.owner.as_deref()?;
            let place = owners.get(owner).map_or_else(|| Err(Track::of(owner).0), |&pair| Ok(pair));
            Some((place, ty.wit.as_str()))
        };
        let (olds, news) = (&old.derivation.document.types, &new.derivation.document.types);
        let by_id = |types: &'d [TypeName]| types.iter().map(|ty| (ty.id.as_str(), ty)).collect();
        let mut out = Matched { pairs: Vec::new(), forward: HashMap::new(), old: by_id(olds), new: by_id(news) };
        let is_any = |_: &TypeName, _: &TypeName| true;
        let exact = |ty: &'d TypeName| Some((ty.owner.as_deref()?, ty.wit.as_str()));
        out.join((olds, exact), (news, exact), is_any);
        out.join((olds, |ty| key(ty, &owners_old)), (news, |ty| key(ty, &owners_new)), is_any);
        let moved = |ty: &'d TypeName| ty.owner.is_some().then_some(ty.wit.as_str());
        out.join((olds, moved), (news, moved), |was, is| was.kind.name() == is.kind.name());
        out.pairs =
            olds.iter().filter_map(|was| Some((was, *out.new.get(out.forward.get(was.id.as_str())?)?))).collect();
        out
    }

    /// Makes partners of those without one whose key only they have.
    fn join<K: Eq + Hash>(
        &mut self,
        (olds, key_old): (&'d [TypeName], impl Fn(&'d TypeName) -> Option<K>),
        (news, key_new): (&'d [TypeName], impl Fn(&'d TypeName) -> Option<K>),
        fits: impl Fn(&TypeName, &TypeName) -> bool,
    ) {
        let taken: HashSet<&str> = self.forward.values().copied().collect();
        let left_new = alone(news.iter().filter(|ty| !taken.contains(ty.id.as_str())), key_new);
        let left_old = alone(olds.iter().filter(|ty| !self.forward.contains_key(ty.id.as_str())), key_old);
        for (key, was) in left_old {
            if let Some(is) = left_new.get(&key).filter(|is| fits(was, is)) {
                self.forward.insert(&was.id, &is.id);
            }
        }
    }

    /// Whether these ids are partners.
    pub(super) fn are(&self, old: &str, new: &str) -> bool {
        self.forward.get(old).is_some_and(|is| *is == new)
    }

    /// Whether two expressions differ in nothing but what named types of both sides hold, which is told of those.
    pub(super) fn agree(&self, old: &Witx, new: &Witx, seen: &mut HashMap<(String, String), bool>) -> bool {
        match (old, new) {
            (Witx::Name(a), Witx::Name(b)) => {
                if self.are(a, b) {
                    return true;
                }
                let (Some(was), Some(is)) = (self.old.get(a.as_str()), self.new.get(b.as_str())) else { return false };
                if was.owner.is_some() || is.owner.is_some() {
                    return false;
                }
                let key = (a.clone(), b.clone());
                if let Some(&known) = seen.get(&key) {
                    return known;
                }
                let agree = self.anonymous(was, is, seen);
                seen.insert(key, agree);
                agree
            }
            (Witx::List(a), Witx::List(b)) => self.agree(a, b, seen),
            (Witx::Tuple(a), Witx::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.agree(a, b, seen))
            }
            (a, b) => a == b,
        }
    }

    fn anonymous(&self, was: &TypeName, is: &TypeName, seen: &mut HashMap<(String, String), bool>) -> bool {
        let mut payloads = |a: &Option<Witx>, b: &Option<Witx>| match (a, b) {
            (Some(a), Some(b)) => self.agree(a, b, seen),
            (a, b) => a == b,
        };
        if std::mem::discriminant(&was.kind) != std::mem::discriminant(&is.kind) {
            return false;
        }
        match (&was.kind, &is.kind) {
            (TypeKind::Stream(a), TypeKind::Stream(b)) | (TypeKind::Future(a), TypeKind::Future(b)) => payloads(a, b),
            (TypeKind::FixedList(a, n), TypeKind::FixedList(b, m)) => n == m && self.agree(a, b, seen),
            _ => match (&was.def, &is.def) {
                (Witx::Variant(_, a), Witx::Variant(_, b)) => {
                    let bare = |ty: &TypeName, i: usize, payload: &Option<Witx>| match payload {
                        Some(Witx::Tuple(padded)) if ty.kind.padded() == Some(i) => padded.first().cloned(),
                        payload => payload.clone(),
                    };
                    let mut cases = a.iter().zip(b).enumerate();
                    a.len() == b.len()
                        && cases.all(|(i, (a, b))| a.0 == b.0 && payloads(&bare(was, i, &a.1), &bare(is, i, &b.1)))
                }
                (a, b) => self.agree(a, b, seen),
            },
        }
    }
}

fn alone<'d, K: Eq + Hash>(
    types: impl Iterator<Item = &'d TypeName>,
    key: impl Fn(&'d TypeName) -> Option<K>,
) -> HashMap<K, &'d TypeName> {
    let mut counted: HashMap<K, (usize, &TypeName)> = HashMap::new();
    for ty in types {
        if let Some(key) = key(ty) {
            counted.entry(key).or_insert((0, ty)).0 += 1;
        }
    }
    counted.into_iter().filter(|(_, (count, _))| *count == 1).map(|(key, (_, ty))| (key, ty)).collect()
}

/// In which directions values go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) to_guest: bool,
    pub(super) to_host: bool,
}

impl Flow {
    pub(super) fn both(self, other: Flow) -> Flow {
        Flow { to_guest: self.to_guest || other.to_guest, to_host: self.to_host || other.to_host }
    }

    pub(super) fn is_none(self) -> bool {
        self == Flow::default()
    }
}

const TO_GUEST: Flow = Flow { to_guest: true, to_host: false };
const TO_HOST: Flow = Flow { to_guest: false, to_host: true };

/// The values that pass through a function, as its WIT has them.
pub(super) fn values<'d>(entry: &Entry<'d>) -> Vec<(&'d str, &'d Witx, Flow)> {
    match entry.role {
        FuncRole::Call { params, result, lowering, .. } => {
            let (arguments, results) = if lowering.is_export() { (TO_GUEST, TO_HOST) } else { (TO_HOST, TO_GUEST) };
            // The result of an asynchronous export goes to `task.return`, and is the same.
            let params = params.iter().map(|p| (p.name.as_str(), &p.ty, arguments));
            params.chain(result.iter().map(|ty| ("result", ty, results))).collect()
        }
        FuncRole::TaskReturn { result } => result.iter().map(|ty| ("result", ty, TO_HOST)).collect(),
        FuncRole::Channel(_, ty) | FuncRole::Resource(_, ty) => vec![("self", ty, TO_HOST)],
        _ => Vec::new(),
    }
}

/// Where each type of a side is named: in which other types, and in which functions.
pub(super) struct Uses<'s, 'd> {
    entries: Vec<&'s Entry<'d>>,
    /// Types that hold a type, and whether they do so in a stream or future.
    holders: HashMap<&'d str, Vec<(&'d str, bool)>>,
    /// Positions of functions whose values name a type, and where those go.
    functions: HashMap<&'d str, Vec<(usize, Flow)>>,
}

impl<'s, 'd> Uses<'s, 'd> {
    pub(super) fn new(side: &'s Side<'d>) -> Self {
        let mut uses = Uses { entries: side.functions().collect(), holders: HashMap::new(), functions: HashMap::new() };
        for ty in &side.derivation.document.types {
            let (payload, is_stream) = match &ty.kind {
                TypeKind::Stream(payload) | TypeKind::Future(payload) => (payload.as_ref(), true),
                TypeKind::FixedList(element, _) => (Some(element), false),
                _ => (None, false),
            };
            for name in std::iter::once(&ty.def).chain(payload).flat_map(names) {
                uses.holders.entry(name).or_default().push((&ty.id, is_stream));
            }
        }
        for (i, entry) in uses.entries.iter().enumerate() {
            for (_, ty, flow) in values(entry) {
                for name in names(ty) {
                    uses.functions.entry(name).or_default().push((i, flow));
                }
            }
        }
        uses
    }

    /// The functions through which a type passes, and where to. What is in a stream or future goes either way.
    pub(super) fn of(&self, id: &'d str) -> Vec<(&'s Entry<'d>, Flow)> {
        let mut found: BTreeMap<usize, Flow> = BTreeMap::new();
        let mut seen = HashSet::from([(id, false)]);
        let mut next = vec![(id, false)];
        while let Some((id, is_streamed)) = next.pop() {
            for &(i, flow) in self.functions.get(id).into_iter().flatten() {
                let flow = if is_streamed { TO_GUEST.both(TO_HOST) } else { flow };
                let known = found.entry(i).or_default();
                *known = known.both(flow);
            }
            for &(holder, is_stream) in self.holders.get(id).into_iter().flatten() {
                let holder = (holder, is_streamed || is_stream);
                if seen.insert(holder) {
                    next.push(holder);
                }
            }
        }
        found.into_iter().map(|(i, flow)| (self.entries[i], flow)).collect()
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
