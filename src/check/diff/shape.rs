//! How two layouts differ: in their bytes, in what the bytes mean, or in names alone.

use super::parts::{Found, Labels, labels, word};
use super::types::Matched;
use crate::abi::{Field, Kind, TyId, Variant};
use crate::witx::Derivation;
use std::collections::{HashMap, HashSet};

/// Compares types of two documents; each pair once.
pub(super) struct Shapes<'m, 'd> {
    old: &'d Derivation,
    new: &'d Derivation,
    matched: &'m Matched<'d>,
    /// Layouts of types that have a name of their own on both sides: what differs within is told of those.
    named: HashSet<(TyId, TyId)>,
    known: HashMap<(TyId, TyId), Option<Found>>,
}

impl<'m, 'd> Shapes<'m, 'd> {
    pub(super) fn new(old: &'d Derivation, new: &'d Derivation, matched: &'m Matched<'d>) -> Self {
        // Another name for a type has that type's layout, not one of its own.
        let own = |ty: &crate::witx::TypeName| ty.kind != crate::witx::TypeKind::Alias;
        let pairs = matched.pairs.iter().filter(|(was, is)| own(was) && own(is));
        let named = pairs.filter_map(|(a, b)| Some((old.rebuilt.by_id(&a.id)?, new.rebuilt.by_id(&b.id)?))).collect();
        Shapes { old, new, matched, named, known: HashMap::new() }
    }

    /// How a type differs where it stands in another: what is told of a named type is not told again, unless what comes
    /// after it moves.
    pub(super) fn within(&mut self, a: TyId, b: TyId) -> Option<Found> {
        let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
        let is_told = self.named.contains(&(a, b)) && (old.size, old.align) == (new.size, new.align);
        if is_told { None } else { self.whole(a, b) }
    }

    /// The same behind a pointer, where nothing comes after it.
    fn pointed(&mut self, a: TyId, b: TyId) -> Option<Found> {
        if self.named.contains(&(a, b)) { None } else { self.whole(a, b).map(Found::pointed) }
    }

    /// How a type differs.
    pub(super) fn whole(&mut self, a: TyId, b: TyId) -> Option<Found> {
        if let Some(known) = self.known.get(&(a, b)) {
            return known.clone();
        }
        let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
        let mut found = match (&old.kind, &new.kind) {
            (Kind::Record(was), Kind::Record(is)) => self.record(was, is),
            (Kind::Variant(was), Kind::Variant(is)) => self.variant(was, is),
            (Kind::Flags { names: was, tag }, Kind::Flags { names: is, tag: b }) => {
                let wider = (tag != b).then(|| Found::layout(tag.size().min(b.size()), "", tag.name(), b.name()));
                wider.into_iter().chain(labels(was, is, Labels::Flags)).reduce(Found::and)
            }
            (Kind::List(a), Kind::List(b)) => self.pointed(*a, *b),
            (Kind::Stream(a), Kind::Stream(b)) | (Kind::Future(a), Kind::Future(b)) => match (a, b) {
                (Some(a), Some(b)) => self.pointed(*a, *b),
                (None, None) => None,
                _ => Some(Found::meaning(0, "", word(&old.kind), word(&new.kind))),
            },
            (Kind::FixedList(a, n), Kind::FixedList(b, m)) => {
                let end = self.old.rebuilt.layouts.get(*a).size * n.min(m);
                let longer = (n != m).then(|| Found::layout(end, "", n, m));
                let element = self.within(*a, *b).map(|found| found.at(0, "[]"));
                element.into_iter().chain(longer).reduce(Found::and)
            }
            (Kind::Own(a), Kind::Own(b)) | (Kind::Borrow(a), Kind::Borrow(b)) => {
                let (a, b) = (self.old.rebuilt.resource(*a), self.new.rebuilt.resource(*b));
                (!self.matched.are(a, b)).then(|| Found::meaning(0, "", a, b))
            }
            (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => None,
            (a, b) => Some(Found::meaning(0, "", word(a), word(b))),
        };
        let sizes = ((old.size, old.align), (new.size, new.align));
        if sizes.0 != sizes.1 {
            found = Some(Found::sized(sizes.0, sizes.1, found));
        }
        self.known.insert((a, b), found.clone());
        found
    }

    fn record(&mut self, was: &[Field], is: &[Field]) -> Option<Found> {
        let mut by_position = Vec::new();
        for (was, is) in was.iter().zip(is) {
            by_position.push((was.offset == is.offset).then(|| self.within(was.ty, is.ty)));
        }
        // The same slots: fields changed places, or names. A field whose type alone is another has its place and name.
        let names = |fields: &[Field]| fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        let is_same = was.len() == is.len() && by_position.iter().all(|found| matches!(found, Some(None)));
        if is_same || names(was) == names(is) {
            let places: Vec<u32> = was.iter().map(|f| f.offset).collect();
            let mut all: Option<Found> = labels(&names(was), &names(is), Labels::Fields).map(|f| f.among(&places));
            for ((was, is), found) in was.iter().zip(is).zip(by_position) {
                let found = match found {
                    Some(found) => found.map(|found| found.at(was.offset, &was.name)),
                    None => Some(moved(was, is)),
                };
                all = all.into_iter().chain(found).reduce(Found::and);
            }
            return all;
        }
        self.other_fields(was, is)
    }

    /// Fields came, went or moved: each is looked for by its name, then by its place.
    fn other_fields(&mut self, was: &[Field], is: &[Field]) -> Option<Found> {
        let by_name: HashMap<&str, usize> = is.iter().enumerate().map(|(j, f)| (f.name.as_str(), j)).collect();
        let old_names: HashSet<&str> = was.iter().map(|f| f.name.as_str()).collect();
        let by_place: HashMap<u32, usize> = is
            .iter()
            .enumerate()
            .filter(|(_, f)| !old_names.contains(f.name.as_str()))
            .map(|(j, f)| (f.offset, j))
            .collect();
        let mut taken = HashSet::new();
        let mut all = Vec::new();
        for field in was {
            let partner = by_name.get(field.name.as_str()).or_else(|| by_place.get(&field.offset));
            match partner.map(|&j| &is[j]) {
                Some(other) if other.offset == field.offset => {
                    taken.insert(other.name.as_str());
                    all.extend(self.within(field.ty, other.ty).map(|found| found.at(field.offset, &field.name)));
                }
                Some(other) => {
                    taken.insert(other.name.as_str());
                    all.push(moved(field, other));
                }
                None => all.push(Found::layout(field.offset, &field.name, &field.name, "nothing")),
            }
        }
        let added = is.iter().filter(|f| !taken.contains(f.name.as_str()));
        all.extend(added.map(|f| Found::layout(f.offset, "", "padding", &f.name).late()));
        all.into_iter().reduce(Found::and)
    }

    fn variant(&mut self, was: &Variant, is: &Variant) -> Option<Found> {
        if was.tag != is.tag {
            return Some(Found::layout(was.tag.size().min(is.tag.size()), "", was.tag.name(), is.tag.name()));
        }
        let names = |v: &Variant| v.cases.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        let (old, new) = (names(was), names(is));
        let mut all: Vec<Found> = labels(&old, &new, Labels::Cases).into_iter().collect();
        if built_in(&old) != built_in(&new) {
            all.push(Found::meaning(0, "", old.join(", "), new.join(", ")));
        }
        for (case, other) in was.cases.iter().zip(&is.cases) {
            match (case.ty, other.ty) {
                (Some(a), Some(b)) if was.payload == is.payload => {
                    all.extend(self.within(a, b).map(|found| found.at(was.payload, &case.name)));
                }
                (Some(_), Some(_)) if was.payload < is.payload => {
                    all.push(Found::layout(was.payload, &case.name, was.payload, is.payload));
                }
                (Some(_), Some(_)) => all.push(Found::layout(is.payload, "", was.payload, is.payload)),
                (Some(a), None) => {
                    let word = word(&self.old.rebuilt.layouts.get(a).kind);
                    all.push(Found::layout(was.payload, &case.name, word, "nothing"));
                }
                (None, Some(b)) => {
                    let word = word(&self.new.rebuilt.layouts.get(b).kind);
                    all.push(Found::layout(is.payload, &case.name, "nothing", word));
                }
                (None, None) => {}
            }
        }
        all.into_iter().reduce(Found::and)
    }
}

fn moved(was: &Field, is: &Field) -> Found {
    let place = |offset: u32| format!("at byte {offset}");
    let found = Found::layout(was.offset.min(is.offset), &was.name, place(was.offset), place(is.offset));
    if is.offset < was.offset { found.late() } else { found }
}

/// Options and results are not variants whose cases have other names.
fn built_in(names: &[String]) -> Option<&'static str> {
    match names {
        [a, b] if a == "none" && b == "some" => Some("option"),
        [a, b] if a == "ok" && b == "error" => Some("result"),
        _ => None,
    }
}
