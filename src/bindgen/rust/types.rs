//! The Rust type of every WIT type.

use super::code::Type;
use super::names::{Namer, camel};
use super::place::{Place, Places};
use crate::abi::{Kind, Layouts, ResourceOp, TyId};
use crate::bindgen::Plan;
use crate::witx::{FuncRole, TypeKind, TypeName, Witx};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};

/// Tuples of more members have no `Debug` in Rust's library, so they get types of their own.
pub(super) const MAX_TUPLE: usize = 12;

/// A type that has a name in the output.
#[derive(Debug)]
pub(super) struct Named {
    /// Where it stands.
    pub(super) place: Place,
    /// Its name.
    pub(super) name: String,
    /// Of a resource: the name of its borrowed handles.
    pub(super) borrow: Option<String>,
}

/// All types of a plan.
#[derive(Debug)]
pub(super) struct Types<'p, 'd> {
    pub(super) plan: &'p Plan<'d>,
    names: HashMap<&'d str, Named>,
    /// What the module that is being written takes from `abi`.
    pub(super) used: Cell<(bool, bool)>,
    /// The outermost modules that it names.
    pub(super) heads: RefCell<BTreeSet<String>>,
}

/// What one walk over a type finds.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Strings, lists or owned handles.
    moved: bool,
    /// Owned handles.
    own: bool,
    /// Streams, futures or error contexts.
    channel: bool,
}

impl<'p, 'd> Types<'p, 'd> {
    /// Names them all, in the order of the document.
    pub(super) fn of(plan: &'p Plan<'d>, places: &Places) -> Types<'p, 'd> {
        let mut namers: HashMap<Place, Namer> = HashMap::new();
        let mut names = HashMap::new();
        for ty in plan.types() {
            let (Some(owner), false) = (&ty.owner, ty.kind == TypeKind::Params) else { continue };
            let place = places.owner(owner);
            let namer = namers.entry(place.clone()).or_insert_with(Namer::of_types);
            let name = namer.pick(camel(&ty.wit));
            let is_resource = plan.rebuilt().by_id(&ty.id).is_none();
            let borrow = is_resource.then(|| namer.pick(format!("{name}Borrow")));
            names.insert(ty.id.as_str(), Named { place, name, borrow });
        }
        Types { plan, names, used: Cell::default(), heads: RefCell::default() }
    }

    /// The name of a type that has one.
    pub(super) fn named(&self, id: &str) -> Option<&Named> {
        self.names.get(id)
    }

    /// The resource behind a name, its aliases and its handles.
    pub(super) fn resource(&self, ty: &'d Witx) -> Option<&'d TypeName> {
        let mut ty = ty;
        while let Witx::Name(id) = ty {
            let def = self.plan.type_name(id)?;
            match def.kind {
                TypeKind::Resource => return Some(def),
                TypeKind::Own | TypeKind::Borrow | TypeKind::Alias => ty = &def.def,
                _ => return None,
            }
        }
        None
    }

    /// The path from one place to what stands in another, whose outermost module is imported.
    pub(super) fn path(&self, at: &Place, to: &Place, name: &str) -> String {
        match to.path.first() {
            Some(head) if at != to && !at.path.is_empty() && !at.has_modules() => {
                self.heads.borrow_mut().insert(head.clone());
                Place::default().to(to, name)
            }
            _ => at.to(to, name),
        }
    }

    /// A handle of a resource, as seen from a place.
    fn handle(&self, ty: &'d Witx, borrow: bool, at: &Place) -> Type {
        let Some(named) = self.resource(ty).and_then(|def| self.named(&def.id)) else { return Type::name("u32") };
        let name = named.borrow.as_ref().filter(|_| borrow).unwrap_or(&named.name);
        Type::Name(self.path(at, &named.place, name))
    }

    /// The type of an expression, owned, as seen from a place.
    pub(super) fn ty(&self, ty: &'d Witx, at: &Place) -> Type {
        match ty {
            Witx::Builtin(name) => self.builtin(name),
            Witx::List(element) => self.vec(self.ty(element, at)),
            Witx::Tuple(types) => self.tuple(types, at),
            Witx::Name(id) => match (self.named(id), self.plan.type_name(id)) {
                (Some(named), _) => Type::Name(self.path(at, &named.place, &named.name)),
                (None, Some(def)) => self.definition(def, at),
                (None, None) => Type::name("u32"),
            },
            _ => Type::name("u32"),
        }
    }

    /// What a type without a name of its own is, or what such a name stands for.
    pub(super) fn definition(&self, def: &'d TypeName, at: &Place) -> Type {
        let case = |i: usize| self.case(def, i, at);
        match (&def.kind, &def.def) {
            (TypeKind::Bool, _) => Type::name("bool"),
            (TypeKind::Char, _) => Type::name("char"),
            (TypeKind::Option { .. }, _) => Type::Generic("Option", vec![case(1)]),
            (TypeKind::Result { .. }, _) => Type::Generic("Result", vec![case(0), case(1)]),
            (TypeKind::FixedList(element, length), _) => Type::Array(Box::new(self.ty(element, at)), *length),
            (TypeKind::Own | TypeKind::Resource, ty) => self.handle(ty, false, at),
            (TypeKind::Borrow, ty) => self.handle(ty, true, at),
            (_, ty) => self.ty(ty, at),
        }
    }

    /// The handle that owns a resource.
    pub(super) fn owner(&self, ty: &'d Witx, at: &Place) -> Type {
        self.handle(ty, false, at)
    }

    /// The export that destroys what a resource of the guest is represented by.
    pub(super) fn destructor(&self, ty: &'d Witx) -> Option<&'p str> {
        let resource = &self.resource(ty)?.id;
        let found = self.plan.calls.iter().find(|call| match &call.func.role {
            FuncRole::Resource(ResourceOp::Dtor, ty) => self.resource(ty).is_some_and(|def| def.id == *resource),
            _ => false,
        });
        found.map(|call| call.name.as_str())
    }

    /// The payload of a case, without what pads it.
    pub(super) fn payload(&self, def: &'d TypeName, index: usize) -> Option<&'d Witx> {
        let Witx::Variant(_, cases) = &def.def else { return None };
        match cases.get(index)?.1.as_ref()? {
            Witx::Tuple(members) if def.kind.padded() == Some(index) => members.first(),
            ty => Some(ty),
        }
    }

    fn case(&self, def: &'d TypeName, index: usize, at: &Place) -> Type {
        self.payload(def, index).map_or_else(|| Type::Tuple(Vec::new()), |ty| self.ty(ty, at))
    }

    fn builtin(&self, name: &str) -> Type {
        if name == "string" {
            self.used.set((true, self.used.get().1));
            return Type::name("String");
        }
        Type::Name(match name.strip_prefix('s') {
            Some(bits) => format!("i{bits}"),
            None => name.to_owned(),
        })
    }

    fn vec(&self, element: Type) -> Type {
        self.used.set((self.used.get().0, true));
        Type::Generic("Vec", vec![element])
    }

    fn tuple(&self, types: &'d [Witx], at: &Place) -> Type {
        let parts: Vec<Type> = types.iter().map(|ty| self.ty(ty, at)).collect();
        if parts.len() <= MAX_TUPLE {
            return Type::Tuple(parts);
        }
        let all: Vec<String> = parts.iter().map(Type::text).collect();
        Type::Name(format!("{}<{}>", at.from_root(&format!("abi::Tuple{}", parts.len())), all.join(", ")))
    }

    /// The sizes of all tuples.
    pub(super) fn tuples(&self) -> BTreeSet<usize> {
        fn walk(ty: &Witx, out: &mut BTreeSet<usize>) {
            match ty {
                Witx::Tuple(types) => {
                    out.insert(types.len());
                    types.iter().for_each(|ty| walk(ty, out));
                }
                Witx::List(ty) => walk(ty, out),
                Witx::Record(fields) => fields.iter().for_each(|(_, ty)| walk(ty, out)),
                _ => {}
            }
        }
        let mut out = BTreeSet::new();
        for def in self.plan.types() {
            match (&def.kind, &def.def) {
                // Spelled out in WITX alone.
                (TypeKind::FixedList(element, _), _) => walk(element, &mut out),
                (_, Witx::Variant(_, cases)) => {
                    (0..cases.len()).filter_map(|i| self.payload(def, i)).for_each(|ty| walk(ty, &mut out));
                }
                (_, ty) => walk(ty, &mut out),
            }
        }
        out
    }

    fn found(&self, id: TyId) -> Found {
        fn walk(layouts: &Layouts, id: TyId, known: &mut HashMap<TyId, Found>) -> Found {
            if let Some(&found) = known.get(&id) {
                return found;
            }
            let parts: Vec<TyId> = match &layouts.get(id).kind {
                Kind::List(ty) | Kind::FixedList(ty, _) => vec![*ty],
                Kind::Record(fields) => fields.iter().map(|f| f.ty).collect(),
                Kind::Variant(v) => v.cases.iter().filter_map(|c| c.ty).collect(),
                _ => Vec::new(),
            };
            let kind = &layouts.get(id).kind;
            let own = matches!(kind, Kind::Own(_));
            let moved = own || matches!(kind, Kind::String | Kind::List(_));
            let channel = matches!(kind, Kind::Stream(_) | Kind::Future(_) | Kind::ErrorContext);
            let found = parts.into_iter().fold(Found { moved, own, channel }, |all, part| {
                let part = walk(layouts, part, known);
                Found { moved: all.moved | part.moved, own: all.own | part.own, channel: all.channel | part.channel }
            });
            known.insert(id, found);
            found
        }
        walk(self.plan.layouts(), id, &mut HashMap::new())
    }

    /// Whether a stream, future or error context is in it: nothing of it is generated.
    pub(super) fn has_channel(&self, id: TyId) -> bool {
        self.found(id).channel
    }

    /// Whether a value is copied where it is used.
    pub(super) fn is_copy(&self, id: TyId) -> bool {
        !self.found(id).moved
    }

    /// The traits that every such type can have.
    pub(super) fn derives(&self, id: TyId) -> &'static str {
        match self.found(id) {
            Found { own: true, .. } => "#[derive(Debug, PartialEq)]",
            Found { moved: true, .. } => "#[derive(Debug, Clone, PartialEq)]",
            _ => "#[derive(Debug, Clone, Copy, PartialEq)]",
        }
    }
}
