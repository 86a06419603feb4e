//! One difference between two types: how bad, where, and in which words.

use super::FirstByte;
use crate::abi::Kind;
use std::collections::HashSet;
use std::fmt::Display;

/// What kind of difference, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A field or case has another name.
    Names,
    /// There are more flags.
    Flags,
    /// There are more cases: who reads the old type may meet one that it does not know.
    More,
    /// There are fewer cases or flags.
    Fewer,
    /// The same bytes mean something else.
    Meaning,
    /// Bytes are elsewhere.
    Layout,
}

/// What names are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    Fields,
    Cases,
    Flags,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) class: Class,
    /// Where bytes begin to differ.
    place: Option<Place>,
    /// How it was; none where there was nothing.
    pub(super) was: Option<String>,
    pub(super) is: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// From the start of the type.
    offset: u32,
    /// Behind a pointer at that offset, from the start of an element.
    behind: Option<u32>,
    /// What stands here stood elsewhere, or nowhere: of two at one offset, it is the other that was there.
    late: bool,
    part: String,
}

impl Found {
    fn new(class: Class, place: Option<(u32, &str)>, was: impl Display, is: impl Display) -> Found {
        let place = place.map(|(offset, part)| Place { offset, behind: None, late: false, part: part.to_owned() });
        Found { class, place, was: Some(was.to_string()), is: Some(is.to_string()) }
    }

    pub(super) fn layout(offset: u32, part: &str, was: impl Display, is: impl Display) -> Found {
        Found::new(Class::Layout, Some((offset, part)), was, is)
    }

    pub(super) fn meaning(offset: u32, part: &str, was: impl Display, is: impl Display) -> Found {
        Found::new(Class::Meaning, Some((offset, part)), was, is)
    }

    /// Size and alignment differ, which says more than what else was found.
    pub(super) fn sized(was: (u32, u32), is: (u32, u32), found: Option<Found>) -> Found {
        let bytes =
            |(size, align): (u32, u32)| format!("{size} byte{}, aligned to {align}", if size == 1 { "" } else { "s" });
        let sized = Found::layout(was.0.min(is.0), "", bytes(was), bytes(is));
        let place = found.and_then(|f| f.place).or(sized.place);
        Found { place, ..sized }
    }

    pub(super) fn late(mut self) -> Found {
        self.place.iter_mut().for_each(|place| place.late = true);
        self
    }

    /// As a part at an offset of something larger.
    pub(super) fn at(mut self, base: u32, name: &str) -> Found {
        if let Some(place) = &mut self.place {
            place.offset += base;
            let dot = if place.part.is_empty() || place.part.starts_with('[') { "" } else { "." };
            place.part = format!("{name}{dot}{}", place.part);
        }
        self
    }

    /// As an element behind a pointer.
    pub(super) fn pointed(self) -> Found {
        let mut found = self.at(0, "[]");
        if let Some(place) = &mut found.place {
            place.behind = place.behind.or(Some(place.offset));
            place.offset = 0;
        }
        found
    }

    /// Fields are at these offsets; the place was the index of one.
    pub(super) fn among(mut self, offsets: &[u32]) -> Found {
        if let Some(place) = &mut self.place {
            place.offset = offsets.get(place.offset as usize).copied().unwrap_or_default();
        }
        self
    }

    /// The worse of two, at the earlier place.
    pub(super) fn and(self, other: Found) -> Found {
        let order = |place: &Place| (place.offset, place.late, place.part.is_empty());
        let (first, second) = (self.place.clone(), other.place.clone());
        let other_first = match (&first, &second) {
            (Some(a), Some(b)) => order(b) < order(a),
            (a, _) => a.is_none(),
        };
        let place = if other_first { second } else { first };
        let worse = match self.class.cmp(&other.class) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal if other_first => other,
            _ => self,
        };
        Found { place, ..worse }
    }

    pub(super) fn first_byte(&self) -> Option<FirstByte> {
        let place = self.place.as_ref().filter(|_| self.class >= Class::Meaning)?;
        Some(FirstByte { offset: place.behind.unwrap_or(place.offset), part: place.part.clone() })
    }
}

/// How names differ. Of fields the place is the index of the first that is another.
pub(super) fn labels(was: &[String], is: &[String], of: Labels) -> Option<Found> {
    let (olds, news): (HashSet<&String>, HashSet<&String>) = (was.iter().collect(), is.iter().collect());
    let changed = || was.iter().zip(is).enumerate().filter(|(_, (a, b))| a != b);
    let texts = |pick: fn((&String, &String)) -> String| changed().map(|(_, p)| pick(p)).collect::<Vec<_>>().join(", ");
    let (old, new) = (texts(|p| p.0.clone()), texts(|p| p.1.clone()));
    // A name that stands elsewhere on the other side changed places.
    if changed().any(|(_, (a, b))| news.contains(a) || olds.contains(b)) {
        let first = changed().next().map_or(0, |(i, _)| i);
        let (index, part) = match of {
            Labels::Fields => (u32::try_from(first).unwrap_or_default(), was[first].as_str()),
            // A discriminant, or the byte of the first flags.
            Labels::Cases | Labels::Flags => (0, ""),
        };
        return Some(Found::meaning(index, part, old, new));
    }
    let renamed = (!old.is_empty()).then(|| Found::new(Class::Names, None, old, new));
    let more = if of == Labels::Flags { Class::Flags } else { Class::More };
    let rest = |longer: &[String], shorter: &[String]| longer[shorter.len()..].join(", ");
    let other = match was.len().cmp(&is.len()) {
        std::cmp::Ordering::Less => Some(Found { class: more, place: None, was: None, is: Some(rest(is, was)) }),
        std::cmp::Ordering::Greater => {
            Some(Found { class: Class::Fewer, place: None, was: Some(rest(was, is)), is: None })
        }
        std::cmp::Ordering::Equal => None,
    };
    renamed.into_iter().chain(other).reduce(Found::and)
}

/// The word for a type.
pub(super) fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::U8 => "u8",
        Kind::S8 => "s8",
        Kind::U16 => "u16",
        Kind::S16 => "s16",
        Kind::U32 => "u32",
        Kind::S32 => "s32",
        Kind::U64 => "u64",
        Kind::S64 => "s64",
        Kind::F32 => "f32",
        Kind::F64 => "f64",
        Kind::Char => "char",
        Kind::String => "string",
        Kind::ErrorContext => "error-context",
        Kind::List(_) => "list",
        Kind::FixedList(..) => "fixed-length list",
        Kind::Record(_) => "record",
        Kind::Variant(_) => "variant",
        Kind::Flags { .. } => "flags",
        Kind::Own(_) => "own",
        Kind::Borrow(_) => "borrow",
        Kind::Stream(None) => "stream of nothing",
        Kind::Stream(_) => "stream",
        Kind::Future(None) => "future of nothing",
        Kind::Future(_) => "future",
    }
}
