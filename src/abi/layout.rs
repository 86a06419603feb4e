//! Layout of types in a 32-bit linear memory (*Alignment*, *Element Size*) and their flat form (*Flattening*).

use super::{Core, Resolve};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::{Handle, Type, TypeDefKind, TypeId};

/// Index of a [`Ty`] in its [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TyId(u32);

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
    Own(TypeId),
    Borrow(TypeId),
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
    /// The flat form, or none if it has more than [`Table::MAX_FLAT`] slots and so is always spilled.
    pub flat: Option<Vec<Core>>,
    /// Whether a value holds a pointer into memory (a string or list), so that lowering it allocates.
    pub allocates: bool,
}

/// Components cannot nest types deeper either.
const MAX_DEPTH: usize = 100;

/// The table over one [`Resolve`].
#[derive(Debug)]
pub struct Table<'r> {
    resolve: &'r Resolve,
    types: Vec<Ty>,
    known: HashMap<TypeId, TyId>,
    primitives: HashMap<Type, TyId>,
    depth: usize,
}

impl<'r> Table<'r> {
    /// `MAX_FLAT_PARAMS`: more flat parameters than this go through memory.
    pub const MAX_FLAT: usize = 16;

    /// An empty table; types enter as they are asked for.
    pub fn new(resolve: &'r Resolve) -> Self {
        Table { resolve, types: Vec::new(), known: HashMap::new(), primitives: HashMap::new(), depth: 0 }
    }

    /// The WIT that this table is over.
    pub fn resolve(&self) -> &'r Resolve {
        self.resolve
    }

    /// The laid-out type behind an index.
    pub fn get(&self, id: TyId) -> &Ty {
        &self.types[id.0 as usize]
    }

    /// Lays out a WIT type. Fails with [`Code::LayoutOverflow`] if it is larger than 4 GiB and with
    /// [`Code::NotExpressible`] for kinds without a defined layout.
    pub fn ty(&mut self, ty: &Type) -> Result<TyId> {
        match ty {
            Type::Id(id) => self.defined(*id),
            primitive => {
                if let Some(&known) = self.primitives.get(primitive) {
                    return Ok(known);
                }
                let id = self.push(primitive_ty(primitive));
                self.primitives.insert(*primitive, id);
                Ok(id)
            }
        }
    }

    fn push(&mut self, ty: Ty) -> TyId {
        let id = TyId(u32::try_from(self.types.len()).expect("fewer than 2^32 types fit in memory"));
        self.types.push(ty);
        id
    }

    fn defined(&mut self, id: TypeId) -> Result<TyId> {
        if let Some(&known) = self.known.get(&id) {
            return Ok(known);
        }
        if self.depth >= MAX_DEPTH {
            return Err(Diagnostic::new(Code::NotExpressible, format!("a type nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let laid_out = self.fresh(id);
        self.depth -= 1;
        let laid_out = laid_out?;
        self.known.insert(id, laid_out);
        Ok(laid_out)
    }

    fn fresh(&mut self, id: TypeId) -> Result<TyId> {
        let resolve = self.resolve;
        Ok(match &resolve.types[id].kind {
            TypeDefKind::Type(ty) => self.ty(ty)?,
            kind => {
                let ty = self.lay_out(kind).map_err(|e| match &resolve.types[id].name {
                    Some(name) => e.in_item(name),
                    None => e,
                })?;
                self.push(ty)
            }
        })
    }

    fn lay_out(&mut self, kind: &TypeDefKind) -> Result<Ty> {
        match kind {
            TypeDefKind::Record(r) => self.record(r.fields.iter().map(|f| (f.name.clone(), &f.ty))),
            TypeDefKind::Tuple(t) => self.record(t.types.iter().enumerate().map(|(i, ty)| (i.to_string(), ty))),
            TypeDefKind::Variant(v) => self.variant(v.cases.iter().map(|c| (c.name.clone(), c.ty.as_ref()))),
            TypeDefKind::Enum(e) => self.variant(e.cases.iter().map(|c| (c.name.clone(), None))),
            TypeDefKind::Option(ty) => self.variant([("none".to_owned(), None), ("some".to_owned(), Some(ty))]),
            TypeDefKind::Result(r) => {
                self.variant([("ok".to_owned(), r.ok.as_ref()), ("error".to_owned(), r.err.as_ref())])
            }
            TypeDefKind::Flags(f) => {
                let tag = match f.flags.len() {
                    0..=8 => Tag::U8,
                    9..=16 => Tag::U16,
                    17..=32 => Tag::U32,
                    n => {
                        return Err(Diagnostic::new(
                            Code::NotExpressible,
                            format!("flags with {n} members: the Canonical ABI allows 32"),
                        ));
                    }
                };
                if f.flags.is_empty() {
                    return Err(Diagnostic::new(Code::NotExpressible, "flags without members"));
                }
                let names = f.flags.iter().map(|f| f.name.clone()).collect();
                Ok(scalar(Kind::Flags { names, tag }, tag.size(), Core::I32))
            }
            TypeDefKind::List(ty) => Ok(pointer_pair(Kind::List(self.ty(ty)?))),
            TypeDefKind::Map(key, value) => {
                let pair = self.record([("0".to_owned(), key), ("1".to_owned(), value)])?;
                let pair = self.push(pair);
                Ok(pointer_pair(Kind::List(pair)))
            }
            TypeDefKind::FixedLengthList(ty, length) => self.fixed_list(ty, *length),
            TypeDefKind::Handle(Handle::Own(resource)) => Ok(scalar(Kind::Own(*resource), 4, Core::I32)),
            TypeDefKind::Handle(Handle::Borrow(resource)) => Ok(scalar(Kind::Borrow(*resource), 4, Core::I32)),
            TypeDefKind::Stream(ty) => {
                let ty = ty.as_ref().map(|t| self.ty(t)).transpose()?;
                Ok(scalar(Kind::Stream(ty), 4, Core::I32))
            }
            TypeDefKind::Future(ty) => {
                let ty = ty.as_ref().map(|t| self.ty(t)).transpose()?;
                Ok(scalar(Kind::Future(ty), 4, Core::I32))
            }
            TypeDefKind::Type(ty) => {
                let id = self.ty(ty)?;
                Ok(self.get(id).clone())
            }
            TypeDefKind::Resource | TypeDefKind::Unknown => {
                Err(Diagnostic::new(Code::NotExpressible, format!("a bare `{}` has no layout", kind.as_str())))
            }
        }
    }

    fn record<'t>(&mut self, members: impl IntoIterator<Item = (String, &'t Type)>) -> Result<Ty> {
        let mut fields = Vec::new();
        let (mut size, mut align, mut allocates) = (0u32, 1u32, false);
        let mut flat = Some(Vec::new());
        for (name, ty) in members {
            let id = self.ty(ty)?;
            let ty = self.get(id);
            let offset = align_up(size, ty.align)?;
            size = offset.checked_add(ty.size).ok_or_else(overflow)?;
            align = align.max(ty.align);
            allocates |= ty.allocates;
            flat = concat(flat, ty.flat.as_deref());
            fields.push(Field { name, ty: id, offset });
        }
        Ok(Ty { kind: Kind::Record(fields), size: align_up(size, align)?, align, flat, allocates })
    }

    fn variant<'t>(&mut self, cases: impl IntoIterator<Item = (String, Option<&'t Type>)>) -> Result<Ty> {
        let mut laid_out = Vec::new();
        for (name, ty) in cases {
            laid_out.push(Case { name, ty: ty.map(|t| self.ty(t)).transpose()? });
        }
        let tag = Tag::of_cases(laid_out.len());
        let payloads = || laid_out.iter().filter_map(|c| c.ty).map(|id| self.get(id));
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
        Ok(Ty { kind: Kind::Variant(Variant { tag, payload, cases: laid_out }), size, align, flat, allocates })
    }

    fn fixed_list(&mut self, ty: &Type, length: u32) -> Result<Ty> {
        let id = self.ty(ty)?;
        let element = self.get(id);
        let size = element.size.checked_mul(length).ok_or_else(overflow)?;
        let slots = element.flat.as_ref().map(|f| f.len().saturating_mul(length as usize));
        let flat = match (&element.flat, slots) {
            (Some(flat), Some(slots)) if slots <= Self::MAX_FLAT => Some(flat.repeat(length as usize)),
            _ => None,
        };
        Ok(Ty { kind: Kind::FixedList(id, length), size, align: element.align, flat, allocates: element.allocates })
    }
}

fn primitive_ty(ty: &Type) -> Ty {
    match ty {
        Type::Bool => scalar(Kind::Bool, 1, Core::I32),
        Type::U8 => scalar(Kind::U8, 1, Core::I32),
        Type::S8 => scalar(Kind::S8, 1, Core::I32),
        Type::U16 => scalar(Kind::U16, 2, Core::I32),
        Type::S16 => scalar(Kind::S16, 2, Core::I32),
        Type::U32 => scalar(Kind::U32, 4, Core::I32),
        Type::S32 => scalar(Kind::S32, 4, Core::I32),
        Type::U64 => scalar(Kind::U64, 8, Core::I64),
        Type::S64 => scalar(Kind::S64, 8, Core::I64),
        Type::F32 => scalar(Kind::F32, 4, Core::F32),
        Type::F64 => scalar(Kind::F64, 8, Core::F64),
        Type::Char => scalar(Kind::Char, 4, Core::I32),
        Type::String => pointer_pair(Kind::String),
        // An `Id` never comes here; an error-context is a handle.
        Type::ErrorContext | Type::Id(_) => scalar(Kind::ErrorContext, 4, Core::I32),
    }
}

fn scalar(kind: Kind, size: u32, core: Core) -> Ty {
    Ty { kind, size, align: size, flat: Some(vec![core]), allocates: false }
}

fn pointer_pair(kind: Kind) -> Ty {
    Ty { kind, size: 8, align: 4, flat: Some(vec![Core::I32, Core::I32]), allocates: true }
}

fn concat(a: Option<Vec<Core>>, b: Option<&[Core]>) -> Option<Vec<Core>> {
    let (mut a, b) = (a?, b?);
    a.extend_from_slice(b);
    (a.len() <= Table::MAX_FLAT).then_some(a)
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
