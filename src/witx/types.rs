//! From WIT types to typenames whose memory layout equals the Canonical ABI's.

use super::ids::{Ids, legal};
use super::model::{Stability, TypeKind, TypeName, Witx};
use super::text::type_text;
use crate::abi::{Kind, Resolve, Table, Tag, TyId};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::{Handle, InterfaceId, Type, TypeDefKind, TypeId, TypeOwner};

/// More elements than this in a fixed-length list are refused: WITX spells them out.
const MAX_FIXED_LIST: u32 = 1 << 16;

/// Fixed-length lists are spelled out in blocks of this many elements.
const BLOCK: u32 = 256;

/// Ids of anonymous types show their structure up to this length; longer ones are numbered.
const MAX_STRUCTURAL_ID: usize = 240;

/// All types of a document, each after those that it uses.
pub(super) struct Types<'r> {
    resolve: &'r Resolve,
    pub(super) table: Table<'r>,
    pub(super) ids: Ids,
    pub(super) out: Vec<TypeName>,
    /// The WIT type behind each of `out`; none for resources and the records of spilled parameters.
    pub(super) origins: Vec<Option<Type>>,
    /// WIT types that have a WITX form already.
    defined: HashMap<TypeId, Witx>,
    /// Positions in `out` by id.
    used: HashMap<String, usize>,
    /// Ids of anonymous types whose structure is too long to be one.
    numbered: HashMap<String, String>,
    /// Types as WIT writes them.
    texts: HashMap<Type, String>,
}

/// A type that is about to be added.
struct New<'t> {
    id: &'t str,
    kind: TypeKind,
    def: Witx,
    wit: String,
    origin: Option<Type>,
}

impl<'r> Types<'r> {
    pub(super) fn new(resolve: &'r Resolve) -> Self {
        Types {
            resolve,
            table: Table::new(resolve),
            ids: Ids::new(resolve),
            out: Vec::new(),
            origins: Vec::new(),
            defined: HashMap::new(),
            used: HashMap::new(),
            numbered: HashMap::new(),
            texts: HashMap::new(),
        }
    }

    /// A type as WIT writes it.
    pub(super) fn text(&mut self, ty: &Type) -> String {
        if let Some(known) = self.texts.get(ty) {
            return known.clone();
        }
        let text = type_text(self.resolve, &mut self.table, ty);
        self.texts.insert(*ty, text.clone());
        text
    }

    /// A reference to the type that has the memory layout of `ty`.
    pub(super) fn in_memory(&mut self, ty: &Type) -> Result<Witx> {
        Ok(Witx::Builtin(match ty {
            // WITX's own `bool` is four bytes wide, the canonical one is one.
            Type::Bool => {
                let def = Witx::Enum("u8", vec!["false".to_owned(), "true".to_owned()]);
                return self.leaf("bool", TypeKind::Bool, def, *ty);
            }
            Type::ErrorContext => return self.leaf("error-context", TypeKind::ErrorContext, Witx::Handle, *ty),
            Type::Id(id) => return self.defined(*id),
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
        }))
    }

    fn leaf(&mut self, id: &str, kind: TypeKind, def: Witx, ty: Type) -> Result<Witx> {
        if !self.used.contains_key(id) {
            self.add(New { id, kind, def, wit: id.to_owned(), origin: Some(ty) }, None, None, Stability::default())?;
        }
        Ok(Witx::Name(id.to_owned()))
    }

    /// A WIT type that has been defined, or is now.
    pub(super) fn defined(&mut self, id: TypeId) -> Result<Witx> {
        if let Some(known) = self.defined.get(&id) {
            return Ok(known.clone());
        }
        if !self.is_resource(id) {
            // Also bounds how deep this recurses.
            self.table.ty(&Type::Id(id))?;
        }
        let def = &self.resolve.types[id];
        let witx = match (&def.name, &def.kind) {
            // A `use`: the origin's id.
            (Some(_), TypeDefKind::Type(Type::Id(origin))) if self.resolve.types[*origin].owner != def.owner => {
                self.defined(*origin)?
            }
            (Some(name), kind) => self.named(id, name, kind)?,
            (None, kind) => self.anonymous(id, kind)?,
        };
        self.defined.insert(id, witx.clone());
        Ok(witx)
    }

    fn named(&mut self, id: TypeId, name: &str, kind: &TypeDefKind) -> Result<Witx> {
        let def = &self.resolve.types[id];
        let (witx, kind) = self.definition(id, kind).map_err(|e| e.in_item(name))?;
        let witx_id = self.ids.named(self.resolve, id, name);
        if self.used.contains_key(&witx_id) {
            return Err(shared(&witx_id));
        }
        // A resource has no layout, nor has another name for one.
        let origin = (!self.is_resource(id)).then_some(Type::Id(id));
        let owner = match def.owner {
            TypeOwner::Interface(interface) => Some(self.interface_name(interface)),
            TypeOwner::World(world) => {
                let world = &self.resolve.worlds[world];
                Some(world.package.map_or_else(|| world.name.clone(), |p| self.resolve.id_of_name(p, &world.name)))
            }
            TypeOwner::None => None,
        };
        let new = New { id: &witx_id, kind, def: witx, wit: name.to_owned(), origin };
        self.add(new, def.docs.contents.as_deref(), owner, stability(&def.stability))?;
        Ok(Witx::Name(witx_id))
    }

    /// The name of an interface; one without a name goes by its id.
    pub(super) fn interface_name(&self, id: InterfaceId) -> String {
        self.resolve.id_of(id).unwrap_or_else(|| self.ids.interface(id).to_owned())
    }

    pub(super) fn is_resource(&self, mut id: TypeId) -> bool {
        while let TypeDefKind::Type(Type::Id(origin)) = &self.resolve.types[id].kind {
            id = *origin;
        }
        matches!(self.resolve.types[id].kind, TypeDefKind::Resource)
    }

    /// Types without a name are called by their structure and defined once; lists stay where they are.
    fn anonymous(&mut self, id: TypeId, kind: &TypeDefKind) -> Result<Witx> {
        if let TypeDefKind::List(_) | TypeDefKind::Type(_) = kind {
            return Ok(self.definition(id, kind)?.0);
        }
        let structure = self.structure(kind)?;
        let witx_id = if structure.len() <= MAX_STRUCTURAL_ID {
            structure
        } else {
            let number = self.numbered.len();
            self.numbered
                .entry(structure)
                .or_insert_with(|| format!("{}#{number}", kind.as_str().replace(' ', "-")))
                .clone()
        };
        if !self.used.contains_key(&witx_id) {
            let (def, kind) = self.definition(id, kind)?;
            let wit = self.text(&Type::Id(id));
            let new = New { id: &witx_id, kind, def, wit, origin: Some(Type::Id(id)) };
            self.add(new, None, None, Stability::default())?;
        }
        Ok(Witx::Name(witx_id))
    }

    fn structure(&mut self, kind: &TypeDefKind) -> Result<String> {
        let mut part = |ty: Option<&Type>| match ty {
            Some(ty) => Ok::<_, Box<Diagnostic>>(mangle(&self.in_memory(ty)?)),
            None => Ok("unit".to_owned()),
        };
        Ok(match kind {
            TypeDefKind::Option(ty) => format!("option<{}>", part(Some(ty))?),
            TypeDefKind::Result(r) => format!("result<{}|{}>", part(r.ok.as_ref())?, part(r.err.as_ref())?),
            TypeDefKind::Tuple(t) => {
                format!("tuple<{}>", t.types.iter().map(|ty| part(Some(ty))).collect::<Result<Vec<_>>>()?.join("|"))
            }
            TypeDefKind::FixedLengthList(ty, n) => format!("list<{}|{n}>", part(Some(ty))?),
            TypeDefKind::Map(key, value) => format!("map<{}|{}>", part(Some(key))?, part(Some(value))?),
            TypeDefKind::Stream(ty) => format!("stream<{}>", part(ty.as_ref())?),
            TypeDefKind::Future(ty) => format!("future<{}>", part(ty.as_ref())?),
            TypeDefKind::Handle(Handle::Own(r)) => format!("own<{}>", mangle(&self.defined(*r)?)),
            TypeDefKind::Handle(Handle::Borrow(r)) => format!("borrow<{}>", mangle(&self.defined(*r)?)),
            other => {
                return Err(Diagnostic::new(Code::NotExpressible, format!("a `{}` without a name", other.as_str())));
            }
        })
    }

    fn definition(&mut self, id: TypeId, kind: &TypeDefKind) -> Result<(Witx, TypeKind)> {
        Ok(match kind {
            TypeDefKind::Resource => (Witx::Handle, TypeKind::Resource),
            TypeDefKind::Stream(ty) => {
                let payload = ty.as_ref().map(|ty| self.in_memory(ty)).transpose()?;
                (Witx::Handle, TypeKind::Stream(payload))
            }
            TypeDefKind::Future(ty) => {
                let payload = ty.as_ref().map(|ty| self.in_memory(ty)).transpose()?;
                (Witx::Handle, TypeKind::Future(payload))
            }
            TypeDefKind::Handle(Handle::Own(r)) => (self.defined(*r)?, TypeKind::Own),
            TypeDefKind::Handle(Handle::Borrow(r)) => (self.defined(*r)?, TypeKind::Borrow),
            TypeDefKind::Type(ty) => (self.in_memory(ty)?, TypeKind::Alias),
            TypeDefKind::List(ty) if self.is_char(ty) => {
                let element = self.leaf("char", TypeKind::Char, Witx::Builtin("u32"), Type::Char)?;
                (Witx::List(element.into()), TypeKind::Alias)
            }
            TypeDefKind::List(ty) => (Witx::List(self.in_memory(ty)?.into()), TypeKind::Alias),
            TypeDefKind::Map(key, value) => {
                let pair = Witx::Tuple(vec![self.in_memory(key)?, self.in_memory(value)?]);
                (Witx::List(pair.into()), TypeKind::Map)
            }
            TypeDefKind::FixedLengthList(ty, length) => {
                let element = self.in_memory(ty)?;
                (self.blocks(&element, ty, *length)?, TypeKind::FixedList(element, *length))
            }
            TypeDefKind::Record(r) if r.fields.is_empty() => {
                return Err(Diagnostic::new(Code::NotExpressible, "a record without fields"));
            }
            TypeDefKind::Record(r) => {
                let fields = r.fields.iter().map(|f| Ok((f.name.clone(), self.in_memory(&f.ty)?)));
                (Witx::Record(fields.collect::<Result<Vec<_>>>()?), TypeKind::Record)
            }
            TypeDefKind::Tuple(t) if t.types.is_empty() => {
                return Err(Diagnostic::new(Code::NotExpressible, "a tuple without members"));
            }
            TypeDefKind::Tuple(t) => {
                let members = t.types.iter().map(|ty| self.in_memory(ty)).collect::<Result<Vec<_>>>()?;
                (Witx::Tuple(members), TypeKind::Tuple)
            }
            TypeDefKind::Flags(f) => {
                let names = f.flags.iter().map(|f| f.name.clone()).collect();
                (Witx::Flags(self.tag(id)?.name(), names), TypeKind::Flags)
            }
            TypeDefKind::Enum(e) => {
                let names = e.cases.iter().map(|c| c.name.clone()).collect();
                (Witx::Enum(self.tag(id)?.name(), names), TypeKind::Enum)
            }
            TypeDefKind::Variant(v) => {
                let (def, padded) = self.variant(id, v.cases.iter().map(|c| (c.name.as_str(), c.ty)))?;
                (def, TypeKind::Variant { padded })
            }
            TypeDefKind::Option(ty) => {
                let (def, padded) = self.variant(id, [("none", None), ("some", Some(*ty))])?;
                (def, TypeKind::Option { padded })
            }
            TypeDefKind::Result(r) => {
                let (def, padded) = self.variant(id, [("ok", r.ok), ("err", r.err)])?;
                (def, TypeKind::Result { padded })
            }
            TypeDefKind::Unknown => {
                return Err(Diagnostic::new(Code::NotExpressible, "a type that was never resolved"));
            }
        })
    }

    /// Whether this is `char`, by whatever name.
    fn is_char(&mut self, ty: &Type) -> bool {
        self.table.ty(ty).is_ok_and(|id| matches!(self.table.get(id).kind, Kind::Char))
    }

    /// WITX has no arrays. A long one is a tuple of blocks, each a fixed-length list of its own, so that it is spelled out
    /// in a few lines.
    fn blocks(&mut self, element: &Witx, ty: &Type, length: u32) -> Result<Witx> {
        if length == 0 || length > MAX_FIXED_LIST {
            return Err(Diagnostic::new(
                Code::NotExpressible,
                format!("a list of {length} elements: WITX has no arrays, and 1 to {MAX_FIXED_LIST} are spelled out"),
            ));
        }
        if length <= BLOCK {
            return Ok(Witx::Tuple(vec![element.clone(); length as usize]));
        }
        let (full, rest) = (length / BLOCK, length % BLOCK);
        let mut members = vec![self.block(element, ty, BLOCK)?; full as usize];
        if rest > 0 {
            members.push(self.block(element, ty, rest)?);
        }
        Ok(Witx::Tuple(members))
    }

    fn block(&mut self, element: &Witx, ty: &Type, length: u32) -> Result<Witx> {
        let id = format!("list<{}|{length}>", mangle(element));
        if !self.used.contains_key(&id) {
            let id_of_element = self.table.ty(ty)?;
            let laid_out = self.table.get(id_of_element);
            let layout = (laid_out.size * length, laid_out.align);
            let wit = format!("list<{}, {length}>", self.text(ty));
            let def = Witx::Tuple(vec![element.clone(); length as usize]);
            let kind = TypeKind::FixedList(element.clone(), length);
            self.add(New { id: &id, kind, def, wit, origin: None }, None, None, Stability::default())?;
            if let Some(added) = self.out.last_mut() {
                added.layout = Some(layout);
            }
        }
        Ok(Witx::Name(id))
    }

    /// The discriminant or representation, always of the table's size: WITX's own defaults are `u32`.
    fn tag(&mut self, id: TypeId) -> Result<Tag> {
        let laid_out = self.table.ty(&Type::Id(id))?;
        match &self.table.get(laid_out).kind {
            Kind::Flags { tag, .. } => Ok(*tag),
            Kind::Variant(v) => Ok(v.tag),
            _ => Err(Diagnostic::new(Code::Internal, "a tagged type without a tag")),
        }
    }

    fn variant<'t>(
        &mut self,
        id: TypeId,
        cases: impl IntoIterator<Item = (&'t str, Option<Type>)>,
    ) -> Result<(Witx, Option<usize>)> {
        let tag = self.tag(id)?;
        let mut out = Vec::new();
        for (name, ty) in cases {
            out.push((name.to_owned(), ty.as_ref().map(|ty| self.in_memory(ty)).transpose()?));
        }
        let laid_out = self.table.ty(&Type::Id(id))?;
        let padded = self.pad(laid_out, &mut out);
        Ok((Witx::Variant(tag.name(), out), padded))
    }

    /// The `witx` crate sizes each case at its own alignment, so a variant whose largest payload is not its most
    /// aligned one comes out too small. Widening the most aligned payload up to the variant's end cures that without
    /// reaching beyond it: that payload starts at the canonical offset and ends at the canonical size.
    fn pad(&self, id: TyId, cases: &mut [(String, Option<Witx>)]) -> Option<usize> {
        let ty = self.table.get(id);
        let Kind::Variant(variant) = &ty.kind else { return None };
        let payload = |i: usize| variant.cases[i].ty.map(|t| self.table.get(t));
        let tag = variant.tag.size();
        let sized = (0..cases.len()).filter_map(payload).map(|p| {
            let align = p.align.max(tag);
            (tag.next_multiple_of(p.align) + p.size).next_multiple_of(align)
        });
        if sized.max().unwrap_or(tag) == ty.size {
            return None;
        }
        let widest = (0..cases.len()).rev().max_by_key(|&i| payload(i).map_or(0, |p| p.align))?;
        let (p, witx) = (payload(widest)?, cases[widest].1.as_mut()?);
        let missing = ty.size - variant.payload - p.size;
        let unit = match p.align {
            8 => "u64",
            4 => "u32",
            2 => "u16",
            _ => "u8",
        };
        let mut members = vec![witx.clone()];
        members.extend((0..missing / p.align).map(|_| Witx::Builtin(unit)));
        *witx = Witx::Tuple(members);
        Some(widest)
    }

    /// The record that `args.ptr` points to. A function that is both imported and exported has one.
    pub(super) fn params(
        &mut self,
        id: &str,
        wit: String,
        fields: Vec<(String, Witx)>,
        layout: (u32, u32),
    ) -> Result<Witx> {
        let def = Witx::Record(fields);
        match self.used.get(id) {
            Some(&known) if self.out[known].def == def => {}
            Some(_) => return Err(shared(id)),
            None => {
                let new = New { id, kind: TypeKind::Params, def, wit, origin: None };
                self.add(new, None, None, Stability::default())?;
                if let Some(added) = self.out.last_mut() {
                    added.layout = Some(layout);
                }
            }
        }
        Ok(Witx::Name(id.to_owned()))
    }

    fn add(&mut self, new: New<'_>, docs: Option<&str>, owner: Option<String>, stability: Stability) -> Result<()> {
        legal(new.id)?;
        let layout = match &new.origin {
            Some(ty) => {
                let laid_out = self.table.ty(ty)?;
                let ty = self.table.get(laid_out);
                Some((ty.size, ty.align))
            }
            None => None,
        };
        self.used.insert(new.id.to_owned(), self.out.len());
        self.origins.push(new.origin);
        self.out.push(TypeName {
            id: new.id.to_owned(),
            docs: docs.and_then(super::text::docs),
            kind: new.kind,
            wit: new.wit,
            owner,
            layout,
            def: new.def,
            stability,
        });
        Ok(())
    }
}

pub(super) fn stability(stability: &wit_parser::Stability) -> Stability {
    match stability {
        wit_parser::Stability::Unknown => Stability::default(),
        wit_parser::Stability::Unstable { feature, deprecated } => Stability {
            since: None,
            unstable: Some(feature.clone()),
            deprecated: deprecated.as_ref().map(ToString::to_string),
        },
        wit_parser::Stability::Stable { since, deprecated } => Stability {
            since: Some(since.to_string()),
            unstable: None,
            deprecated: deprecated.as_ref().map(ToString::to_string),
        },
    }
}

fn shared(id: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::NotExpressible, format!("two types would share the WITX id `${id}`"))
}

/// A type reference as part of a structural id.
pub(super) fn mangle(ty: &Witx) -> String {
    match ty {
        Witx::Builtin(name) => (*name).to_owned(),
        Witx::Name(id) => id.clone(),
        Witx::List(ty) => format!("list<{}>", mangle(ty)),
        Witx::Tuple(types) => format!("tuple<{}>", types.iter().map(mangle).collect::<Vec<_>>().join("|")),
        _ => "handle".to_owned(),
    }
}
