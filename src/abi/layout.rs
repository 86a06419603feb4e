//! Layout of types in a 32-bit linear memory (*Alignment*, *Element Size*) and their flat form (*Flattening*).

use super::Core;
use crate::diagnostic::{Code, Diagnostic, Result};

/// Index of a [`Ty`] in its [`Layouts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TyId(u32);

/// A resource type: whoever fills a [`Layouts`] numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource(pub u32);

/// The unsigned integer that holds a discriminant or a word of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
}

impl Tag {
    /// Size and alignment in bytes.
    pub fn size(self) -> u32 {
        match self {
            Tag::U8 => 1,
            Tag::U16 => 2,
            Tag::U32 => 4,
        }
    }

    /// The WITX and WIT name.
    pub fn name(self) -> &'static str {
        match self {
            Tag::U8 => "u8",
            Tag::U16 => "u16",
            Tag::U32 => "u32",
        }
    }

    /// `discriminant_type`: the smallest that counts `cases` cases.
    fn of_cases(cases: usize) -> Tag {
        match cases {
            0..=0x100 => Tag::U8,
            0x101..=0x1_0000 => Tag::U16,
            _ => Tag::U32,
        }
    }
}

/// A member of a record or tuple; tuple members are called `0`, `1` and so on.
#[derive(Debug, Clone)]
pub struct Field {
    /// The WIT name.
    pub name: String,
    /// Its type.
    pub ty: TyId,
    /// Bytes from the start of the record.
    pub offset: u32,
}

/// A case of a variant, enum, option or result.
#[derive(Debug, Clone)]
pub struct Case {
    /// The WIT name; `none`, `some`, `ok` and `error` for options and results.
    pub name: String,
    /// Its payload.
    pub ty: Option<TyId>,
}

/// A tagged union.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The discriminant, at offset 0.
    pub tag: Tag,
    /// Where every payload starts.
    pub payload: u32,
    /// The cases in order; the index is the discriminant.
    pub cases: Vec<Case>,
}

/// A type after despecialisation (*Despecialization*): tuples are records; enums, options and results are variants;
/// maps are lists of pairs.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the types of WIT")]
pub enum Kind {
    Bool,
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
    F32,
    F64,
    Char,
    String,
    ErrorContext,
    List(TyId),
    FixedList(TyId, u32),
    Record(Vec<Field>),
    Variant(Variant),
    Flags { names: Vec<String>, tag: Tag },
    Own(Resource),
    Borrow(Resource),
    Stream(Option<TyId>),
    Future(Option<TyId>),
}

/// A laid-out type.
#[derive(Debug, Clone)]
pub struct Ty {
    /// What it is.
    pub kind: Kind,
    /// Bytes in linear memory, a multiple of `align` (`elem_size`).
    pub size: u32,
    /// Bytes, a power of two (`alignment`).
    pub align: u32,
    /// The flat form, or none if it has more than [`Layouts::MAX_FLAT`] slots and so is always spilled.
    pub flat: Option<Vec<Core>>,
    /// Whether a value holds a pointer into memory (a string or list), so that lowering it allocates.
    pub allocates: bool,
    /// How deep types are nested in it, itself included.
    depth: u32,
    /// How many types a walk over it meets that does not remember where it was, as many readers of WIT do.
    walk: u32,
    /// How many streams and futures such a walk meets.
    pub(super) channels: u32,
}

/// All types laid out so far. It knows no WIT: [`super::Table`] fills it from WIT, [`crate::witx`] from WITX.
#[derive(Debug, Default)]
pub struct Layouts {
    types: Vec<Ty>,
}

impl Layouts {
    /// `MAX_FLAT_PARAMS`: more flat parameters than this go through memory.
    pub const MAX_FLAT: usize = 16;

    /// Components cannot nest types deeper either.
    pub const MAX_DEPTH: u32 = 100;

    /// A type that holds more types than this, each counted wherever it stands, is refused: it would take readers that
    /// do not remember a type (such as `wit-parser`'s `find_futures_and_streams`) exponential time.
    const MAX_WALK: u32 = 1 << 18;

    /// The laid-out type behind an index.
    pub fn get(&self, id: TyId) -> &Ty {
        &self.types[id.0 as usize]
    }

    fn push(&mut self, mut ty: Ty, parts: &[TyId]) -> Result<TyId> {
        let part = |id: &TyId| self.get(*id);
        ty.depth = 1 + parts.iter().map(|p| part(p).depth).max().unwrap_or(0);
        ty.walk = parts.iter().map(|p| part(p).walk).fold(1, u32::saturating_add);
        let own = u32::from(matches!(ty.kind, Kind::Stream(_) | Kind::Future(_)));
        ty.channels = parts.iter().map(|p| part(p).channels).fold(own, u32::saturating_add);
        if ty.depth > Self::MAX_DEPTH {
            let deep = format!("a type nested more than {} deep", Self::MAX_DEPTH);
            return Err(Diagnostic::new(Code::NotExpressible, deep));
        }
        if ty.walk > Self::MAX_WALK {
            let large = format!("a type of more than {} types, each counted wherever it stands", Self::MAX_WALK);
            return Err(Diagnostic::new(Code::NotExpressible, large));
        }
        let id = TyId(u32::try_from(self.types.len()).expect("fewer than 2^32 types fit in memory"));
        self.types.push(ty);
        Ok(id)
    }

    /// A type that has no parts: a number, `bool`, `char`, `string`, a handle. Fails for kinds that have parts.
    pub fn leaf(&mut self, kind: Kind) -> Result<TyId> {
        let ty = match &kind {
            Kind::Bool | Kind::U8 | Kind::S8 => scalar(kind, 1, Core::I32),
            Kind::U16 | Kind::S16 => scalar(kind, 2, Core::I32),
            Kind::U32 | Kind::S32 | Kind::Char | Kind::ErrorContext | Kind::Own(_) | Kind::Borrow(_) => {
                scalar(kind, 4, Core::I32)
            }
            Kind::U64 | Kind::S64 => scalar(kind, 8, Core::I64),
            Kind::F32 => scalar(kind, 4, Core::F32),
            Kind::F64 => scalar(kind, 8, Core::F64),
            Kind::String => pointer_pair(kind),
            _ => return Err(Diagnostic::new(Code::Internal, "a leaf type with parts")),
        };
        self.push(ty, &[])
    }

    /// `list<T>`.
    pub fn list(&mut self, element: TyId) -> Result<TyId> {
        self.push(pointer_pair(Kind::List(element)), &[element])
    }

    /// `stream<T>`.
    pub fn stream(&mut self, payload: Option<TyId>) -> Result<TyId> {
        self.push(scalar(Kind::Stream(payload), 4, Core::I32), payload.as_slice())
    }

    /// `future<T>`.
    pub fn future(&mut self, payload: Option<TyId>) -> Result<TyId> {
        self.push(scalar(Kind::Future(payload), 4, Core::I32), payload.as_slice())
    }

    /// Flags, of which the Canonical ABI allows 1 to 32.
    pub fn flags(&mut self, names: Vec<String>) -> Result<TyId> {
        let tag = match names.len() {
            0 => return Err(Diagnostic::new(Code::NotExpressible, "flags without members")),
            1..=8 => Tag::U8,
            9..=16 => Tag::U16,
            17..=32 => Tag::U32,
            n => {
                let many = format!("flags with {n} members: the Canonical ABI allows 32");
                return Err(Diagnostic::new(Code::NotExpressible, many));
            }
        };
        self.push(scalar(Kind::Flags { names, tag }, tag.size(), Core::I32), &[])
    }

    /// A record or tuple of these members (*Alignment*, *Element Size*, `alignment_record`, `elem_size_record`).
    pub fn record(&mut self, members: Vec<(String, TyId)>) -> Result<TyId> {
        let mut fields = Vec::with_capacity(members.len());
        let (mut size, mut align, mut allocates) = (0u32, 1u32, false);
        let mut flat = Some(Vec::new());
        for (name, id) in members {
            let ty = self.get(id);
            let offset = align_up(size, ty.align)?;
            size = offset.checked_add(ty.size).ok_or_else(overflow)?;
            align = align.max(ty.align);
            allocates |= ty.allocates;
            flat = concat(flat, ty.flat.as_deref());
            fields.push(Field { name, ty: id, offset });
        }
        let parts: Vec<TyId> = fields.iter().map(|f| f.ty).collect();
        let ty = Ty::new(Kind::Record(fields), align_up(size, align)?, align, flat, allocates);
        self.push(ty, &parts)
    }

    /// A variant, enum, option or result of these cases (`alignment_variant`, `elem_size_variant`, `flatten_variant`).
    pub fn variant(&mut self, cases: Vec<(String, Option<TyId>)>) -> Result<TyId> {
        let tag = Tag::of_cases(cases.len());
        let parts: Vec<TyId> = cases.iter().filter_map(|c| c.1).collect();
        let payloads = || parts.iter().map(|&id| self.get(id));
        let payload_align = payloads().map(|t| t.align).max().unwrap_or(1);
        let payload_size = payloads().map(|t| t.size).max().unwrap_or(0);
        let allocates = payloads().any(|t| t.allocates);
        let align = tag.size().max(payload_align);
        let payload = align_up(tag.size(), payload_align)?;
        let size = align_up(payload.checked_add(payload_size).ok_or_else(overflow)?, align)?;
        let mut joined: Option<Vec<Core>> = Some(Vec::new());
        for ty in payloads() {
            joined = match (joined, &ty.flat) {
                (Some(joined), Some(flat)) => Some(join(joined, flat)),
                _ => None,
            };
        }
        let flat = concat(Some(vec![Core::I32]), joined.as_deref());
        let cases = cases.into_iter().map(|(name, ty)| Case { name, ty }).collect();
        let ty = Ty::new(Kind::Variant(Variant { tag, payload, cases }), size, align, flat, allocates);
        self.push(ty, &parts)
    }

    /// `list<T, n>`.
    pub fn fixed_list(&mut self, id: TyId, length: u32) -> Result<TyId> {
        let element = self.get(id);
        let size = element.size.checked_mul(length).ok_or_else(overflow)?;
        let slots = element.flat.as_ref().map(|f| f.len().saturating_mul(length as usize));
        let flat = match (&element.flat, slots) {
            (Some(flat), Some(slots)) if slots <= Self::MAX_FLAT => Some(flat.repeat(length as usize)),
            _ => None,
        };
        let ty = Ty::new(Kind::FixedList(id, length), size, element.align, flat, element.allocates);
        self.push(ty, &[id])
    }
}

impl Ty {
    /// Whether writing it out, with each type wherever it stands, takes more than a few pages.
    pub fn is_large(&self) -> bool {
        self.walk > 1 << 12
    }

    fn new(kind: Kind, size: u32, align: u32, flat: Option<Vec<Core>>, allocates: bool) -> Ty {
        Ty { kind, size, align, flat, allocates, depth: 0, walk: 0, channels: 0 }
    }
}

fn scalar(kind: Kind, size: u32, core: Core) -> Ty {
    Ty::new(kind, size, size, Some(vec![core]), false)
}

fn pointer_pair(kind: Kind) -> Ty {
    Ty::new(kind, 8, 4, Some(vec![Core::I32, Core::I32]), true)
}

fn concat(a: Option<Vec<Core>>, b: Option<&[Core]>) -> Option<Vec<Core>> {
    let (mut a, b) = (a?, b?);
    a.extend_from_slice(b);
    (a.len() <= Layouts::MAX_FLAT).then_some(a)
}

fn join(mut a: Vec<Core>, b: &[Core]) -> Vec<Core> {
    for (i, &core) in b.iter().enumerate() {
        match a.get_mut(i) {
            Some(slot) => *slot = slot.join(core),
            None => a.push(core),
        }
    }
    a
}

fn align_up(offset: u32, align: u32) -> Result<u32> {
    offset.checked_next_multiple_of(align).ok_or_else(overflow)
}

fn overflow() -> Box<Diagnostic> {
    Diagnostic::new(Code::LayoutOverflow, "a type of more than 4 GiB")
}
