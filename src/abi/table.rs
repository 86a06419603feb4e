//! The table over WIT: every type of a [`Resolve`] is laid out once, however often it is used.

use super::{Kind, Layouts, Lowering, Resolve, Resource, Signature, Ty, TyId};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::{Function, Handle, Type, TypeDefKind, TypeId};

/// Layouts of the types of one [`Resolve`].
#[derive(Debug)]
pub struct Table<'r> {
    resolve: &'r Resolve,
    pub(super) layouts: Layouts,
    known: HashMap<TypeId, TyId>,
    primitives: HashMap<Type, TyId>,
    depth: u32,
}

impl<'r> Table<'r> {
    /// An empty table; types enter as they are asked for.
    pub fn new(resolve: &'r Resolve) -> Self {
        Table { resolve, layouts: Layouts::default(), known: HashMap::new(), primitives: HashMap::new(), depth: 0 }
    }

    /// The WIT that this table is over.
    pub fn resolve(&self) -> &'r Resolve {
        self.resolve
    }

    /// The laid-out type behind an index.
    pub fn get(&self, id: TyId) -> &Ty {
        self.layouts.get(id)
    }

    /// The canonical signature of `function`. Fails where a type has no layout.
    pub fn signature(&mut self, function: &Function, lowering: Lowering) -> Result<Signature> {
        let params = function.params.iter().map(|p| self.ty(&p.ty)).collect::<Result<Vec<_>>>()?;
        let result = function.result.as_ref().map(|ty| self.ty(ty)).transpose()?;
        Ok(self.layouts.signature(params, result, lowering))
    }

    /// The signature of `task.return` for `function`: its result as the parameters of an import
    /// (`canon task.return`).
    pub(super) fn task_return(&mut self, function: &Function) -> Result<Signature> {
        let result = function.result.as_ref().map(|ty| self.ty(ty)).transpose()?;
        Ok(self.layouts.signature(result.into_iter().collect(), None, Lowering::Import))
    }

    /// Lays out a WIT type. Fails with [`Code::LayoutOverflow`] if it is larger than 4 GiB and with
    /// [`Code::NotExpressible`] for kinds without a defined layout.
    pub fn ty(&mut self, ty: &Type) -> Result<TyId> {
        if let Type::Id(id) = ty {
            return self.defined(*id);
        }
        if let Some(&known) = self.primitives.get(ty) {
            return Ok(known);
        }
        let id = self.layouts.leaf(leaf(ty))?;
        self.primitives.insert(*ty, id);
        Ok(id)
    }

    fn defined(&mut self, id: TypeId) -> Result<TyId> {
        if let Some(&known) = self.known.get(&id) {
            return Ok(known);
        }
        // Aliases nest without adding to the depth of a layout; this bounds the recursion over them too.
        if self.depth >= 2 * Layouts::MAX_DEPTH {
            return Err(Diagnostic::new(Code::NotExpressible, "a type nested too deeply"));
        }
        self.depth += 1;
        let def = &self.resolve.types[id];
        let laid_out = self.lay_out(&def.kind);
        self.depth -= 1;
        let laid_out = laid_out.map_err(|e| match &def.name {
            Some(name) => e.in_item(name),
            None => e,
        })?;
        self.known.insert(id, laid_out);
        Ok(laid_out)
    }

    fn lay_out(&mut self, kind: &TypeDefKind) -> Result<TyId> {
        match kind {
            TypeDefKind::Type(ty) => self.ty(ty),
            TypeDefKind::Record(r) => {
                let members = r.fields.iter().map(|f| Ok((f.name.clone(), self.ty(&f.ty)?)));
                let members = members.collect::<Result<_>>()?;
                self.layouts.record(members)
            }
            TypeDefKind::Tuple(t) => self.tuple(&t.types),
            TypeDefKind::Variant(v) => self.variant(v.cases.iter().map(|c| (c.name.as_str(), c.ty.as_ref()))),
            TypeDefKind::Enum(e) => self.variant(e.cases.iter().map(|c| (c.name.as_str(), None))),
            TypeDefKind::Option(ty) => self.variant([("none", None), ("some", Some(ty))]),
            TypeDefKind::Result(r) => self.variant([("ok", r.ok.as_ref()), ("error", r.err.as_ref())]),
            TypeDefKind::Flags(f) => self.layouts.flags(f.flags.iter().map(|f| f.name.clone()).collect()),
            TypeDefKind::List(ty) => {
                let element = self.ty(ty)?;
                self.layouts.list(element)
            }
            TypeDefKind::Map(key, value) => {
                let pair = self.tuple(&[*key, *value])?;
                self.layouts.list(pair)
            }
            TypeDefKind::FixedLengthList(ty, length) => {
                let element = self.ty(ty)?;
                self.layouts.fixed_list(element, *length)
            }
            TypeDefKind::Handle(Handle::Own(resource)) => self.layouts.leaf(Kind::Own(self.resource(*resource))),
            TypeDefKind::Handle(Handle::Borrow(resource)) => self.layouts.leaf(Kind::Borrow(self.resource(*resource))),
            TypeDefKind::Stream(ty) => {
                let payload = ty.as_ref().map(|t| self.ty(t)).transpose()?;
                self.layouts.stream(payload)
            }
            TypeDefKind::Future(ty) => {
                let payload = ty.as_ref().map(|t| self.ty(t)).transpose()?;
                self.layouts.future(payload)
            }
            TypeDefKind::Resource | TypeDefKind::Unknown => {
                Err(Diagnostic::new(Code::NotExpressible, format!("a bare `{}` has no layout", kind.as_str())))
            }
        }
    }

    fn tuple(&mut self, types: &[Type]) -> Result<TyId> {
        let members = types.iter().enumerate().map(|(i, ty)| Ok((i.to_string(), self.ty(ty)?)));
        let members = members.collect::<Result<_>>()?;
        self.layouts.record(members)
    }

    fn variant<'t>(&mut self, cases: impl IntoIterator<Item = (&'t str, Option<&'t Type>)>) -> Result<TyId> {
        let mut out = Vec::new();
        for (name, ty) in cases {
            out.push((name.to_owned(), ty.map(|ty| self.ty(ty)).transpose()?));
        }
        self.layouts.variant(out)
    }

    /// Aliases are the same resource.
    fn resource(&self, mut id: TypeId) -> Resource {
        while let TypeDefKind::Type(Type::Id(origin)) = &self.resolve.types[id].kind {
            id = *origin;
        }
        Resource(u32::try_from(id.index()).expect("fewer than 2^32 types fit in memory"))
    }
}

fn leaf(ty: &Type) -> Kind {
    match ty {
        Type::Bool => Kind::Bool,
        Type::U8 => Kind::U8,
        Type::S8 => Kind::S8,
        Type::U16 => Kind::U16,
        Type::S16 => Kind::S16,
        Type::U32 => Kind::U32,
        Type::S32 => Kind::S32,
        Type::U64 => Kind::U64,
        Type::S64 => Kind::S64,
        Type::F32 => Kind::F32,
        Type::F64 => Kind::F64,
        Type::Char => Kind::Char,
        Type::String => Kind::String,
        // An `Id` never comes here.
        Type::ErrorContext | Type::Id(_) => Kind::ErrorContext,
    }
}
