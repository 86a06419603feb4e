//! How two layouts differ: in their bytes, in what the bytes mean, or in names alone.

use super::diff::FirstByte;
use crate::abi::{Kind, TyId};
use crate::witx::{Derivation, TypeName};
use std::collections::HashMap;

/// A difference between two types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Bytes are elsewhere.
    Layout {
        /// Size and alignment before and after.
        was: (u32, u32),
        /// The same, after.
        is: (u32, u32),
        /// The first byte that is another.
        first: FirstByte,
    },
    /// The same bytes mean something else: fields or cases changed places, or a case another payload.
    Meaning { was: String, is: String },
    /// There are more cases: who reads the old type may meet one that it does not know.
    More { names: Vec<String> },
    /// There are more flags.
    Flags { names: Vec<String> },
    /// A field or case has another name.
    Names { was: String, is: String },
}

impl Change {
    /// Before and after in words, and the first byte that is another.
    pub(super) fn describe(self) -> (String, String, Option<FirstByte>) {
        let bytes = |(size, align): (u32, u32)| format!("{size} bytes, aligned to {align}");
        match self {
            Change::Layout { was, is, first } => (bytes(was), bytes(is), Some(first)),
            Change::Meaning { was, is } | Change::Names { was, is } => (was, is, None),
            Change::More { names } | Change::Flags { names } => ("fewer".to_owned(), names.join(", "), None),
        }
    }
}

/// Compares types of two documents; each pair once.
pub(super) struct Shapes<'d> {
    old: &'d Derivation,
    new: &'d Derivation,
    /// Pairs that were found equal in their bytes.
    equal: HashMap<(TyId, TyId), bool>,
}

impl<'d> Shapes<'d> {
    pub(super) fn new(old: &'d Derivation, new: &'d Derivation) -> Self {
        Shapes { old, new, equal: HashMap::new() }
    }

    /// How a type differs; resources have no layout to differ in.
    pub(super) fn compare(&mut self, was: &TypeName, is: &TypeName) -> Option<Change> {
        let (a, b) = (self.old.rebuilt.by_id(&was.id)?, self.new.rebuilt.by_id(&is.id)?);
        if !self.same_bytes(a, b) {
            let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
            if let (Some(change), true) = (self.more(a, b), (old.size, old.align) == (new.size, new.align)) {
                return Some(change);
            }
            let first =
                self.first_byte(a, b, 0, String::new()).unwrap_or(FirstByte { offset: old.size, part: String::new() });
            if (old.size, old.align) == (new.size, new.align) && first.offset >= old.size {
                let (was, is) = (kind(&old.kind), kind(&new.kind));
                return Some(Change::Meaning { was, is });
            }
            return Some(Change::Layout { was: (old.size, old.align), is: (new.size, new.align), first });
        }
        self.names(a, b)
    }

    /// Whether every byte of the one means what it means in the other, whatever it is called.
    fn same_bytes(&mut self, a: TyId, b: TyId) -> bool {
        if let Some(&known) = self.equal.get(&(a, b)) {
            return known;
        }
        let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
        let equal = match (&old.kind, &new.kind) {
            (Kind::Record(a), Kind::Record(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.offset == b.offset && self.same_bytes(a.ty, b.ty))
            }
            (Kind::Variant(a), Kind::Variant(b)) => {
                a.tag == b.tag
                    && a.payload == b.payload
                    && a.cases.len() == b.cases.len()
                    && a.cases.iter().zip(&b.cases).all(|(a, b)| self.same_payload(a.ty, b.ty))
            }
            (Kind::Flags { tag, names }, Kind::Flags { tag: b, names: more }) => tag == b && names.len() == more.len(),
            (Kind::List(a), Kind::List(b)) => self.same_bytes(*a, *b),
            (Kind::FixedList(a, n), Kind::FixedList(b, m)) => n == m && self.same_bytes(*a, *b),
            (Kind::Stream(a), Kind::Stream(b)) | (Kind::Future(a), Kind::Future(b)) => self.same_payload(*a, *b),
            (Kind::Own(a), Kind::Own(b)) | (Kind::Borrow(a), Kind::Borrow(b)) => {
                self.old.rebuilt.resource(*a) == self.new.rebuilt.resource(*b)
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        let equal = equal && old.size == new.size && old.align == new.align;
        self.equal.insert((a, b), equal);
        equal
    }

    fn same_payload(&mut self, a: Option<TyId>, b: Option<TyId>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => self.same_bytes(a, b),
            (a, b) => a == b,
        }
    }

    /// The same with more at the end: cases or flags.
    fn more(&mut self, a: TyId, b: TyId) -> Option<Change> {
        let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
        match (&old.kind, &new.kind) {
            (Kind::Variant(a), Kind::Variant(b)) if b.cases.len() > a.cases.len() => {
                let same = a.cases.iter().zip(&b.cases).all(|(a, b)| a.name == b.name && self.same_payload(a.ty, b.ty));
                let names = b.cases[a.cases.len()..].iter().map(|c| c.name.clone()).collect();
                same.then_some(Change::More { names })
            }
            (Kind::Flags { names: a, .. }, Kind::Flags { names: b, .. }) if b.starts_with(a) => {
                Some(Change::Flags { names: b[a.len()..].to_vec() })
            }
            _ => None,
        }
    }

    /// The first byte from which on the two differ, and the part of the old type that is there.
    fn first_byte(&mut self, a: TyId, b: TyId, base: u32, path: String) -> Option<FirstByte> {
        if self.same_bytes(a, b) {
            return None;
        }
        let (old, new) = (self.old.rebuilt.layouts.get(a), self.new.rebuilt.layouts.get(b));
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match (&old.kind, &new.kind) {
            (Kind::Record(was), Kind::Record(is)) => {
                for (was, is) in was.iter().zip(is) {
                    let offset = base + was.offset.min(is.offset);
                    if was.offset != is.offset {
                        return Some(FirstByte { offset, part: join(&was.name) });
                    }
                    if let Some(found) = self.first_byte(was.ty, is.ty, base + was.offset, join(&was.name)) {
                        return Some(found);
                    }
                }
                let next = was.get(is.len()).map(|f| (f.offset, f.name.as_str()));
                let (offset, name) = next.or(is.get(was.len()).map(|f| (f.offset, ""))).unwrap_or((old.size, ""));
                Some(FirstByte { offset: base + offset, part: join(name).trim_end_matches('.').to_owned() })
            }
            (Kind::Variant(was), Kind::Variant(is)) if was.tag == is.tag && was.payload == is.payload => {
                let cases = was.cases.iter().zip(&is.cases).filter_map(|(a, b)| Some((&a.name, a.ty?, b.ty?)));
                let found = cases
                    .collect::<Vec<_>>()
                    .into_iter()
                    .filter_map(|(name, a, b)| self.first_byte(a, b, base + was.payload, join(name)));
                let found = found.min_by_key(|f| f.offset);
                found.or(Some(FirstByte { offset: base + old.size.min(new.size), part: path }))
            }
            // The discriminant is wider, or the payload begins elsewhere.
            (Kind::Variant(was), Kind::Variant(is)) => {
                let offset = was.tag.size().min(is.tag.size()).min(was.payload.max(1)).min(is.payload.max(1));
                Some(FirstByte { offset: base + offset, part: path })
            }
            _ => Some(FirstByte { offset: base, part: path }),
        }
    }

    /// Names that differ although the bytes do not. Where the same names stand in another order, the meaning differs.
    fn names(&self, a: TyId, b: TyId) -> Option<Change> {
        let (was, is) = (parts(&self.old.rebuilt.layouts.get(a).kind), parts(&self.new.rebuilt.layouts.get(b).kind));
        if was == is {
            return None;
        }
        let (mut sorted_was, mut sorted_is) = (was.clone(), is.clone());
        sorted_was.sort_unstable();
        sorted_is.sort_unstable();
        let changed: Vec<(&str, &str)> = was.iter().zip(&is).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
        let (was, is): (Vec<&str>, Vec<&str>) = changed.into_iter().unzip();
        let (was, is) = (was.join(", "), is.join(", "));
        Some(if sorted_was == sorted_is { Change::Meaning { was, is } } else { Change::Names { was, is } })
    }
}

/// Names of the parts of a type, in order.
fn parts(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Record(fields) => fields.iter().map(|f| f.name.as_str()).collect(),
        Kind::Variant(variant) => variant.cases.iter().map(|c| c.name.as_str()).collect(),
        Kind::Flags { names, .. } => names.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

fn kind(kind: &Kind) -> String {
    let names = parts(kind);
    let word = match kind {
        Kind::Record(_) => "record",
        Kind::Variant(_) => "variant",
        Kind::Flags { .. } => "flags",
        Kind::List(_) => "list",
        Kind::FixedList(..) => "fixed-length list",
        Kind::String => "string",
        Kind::Own(_) | Kind::Borrow(_) | Kind::Stream(_) | Kind::Future(_) | Kind::ErrorContext => "handle",
        _ => "number",
    };
    if names.is_empty() { word.to_owned() } else { format!("{word} of {}", names.join(", ")) }
}
