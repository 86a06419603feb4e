//! From a [`Resolve`] to a [`Document`].

use super::ids::{Ids, legal};
use super::model::{Document, File, Func, Module, Param, TypeName, Witx};
use crate::abi::{Core, Direction, Kind, Resolve, Table, WorldFunction, world_functions};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{HashMap, HashSet};
use wit_parser::{Handle, InterfaceId, PackageId, Type, TypeDefKind, TypeId, WorldId, WorldItem};

/// What to derive.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Every interface of these packages, as imports.
    Packages(Vec<PackageId>),
    /// The imports and exports of a world.
    World(WorldId),
}

/// More elements than this in a fixed-length list are refused: WITX spells them out one by one.
const MAX_FIXED_LIST: u32 = 4096;

/// Derives WITX. Fails with [`Code::NotExpressible`] where WITX cannot say what the WIT says, and with
/// [`Code::LayoutOverflow`] for types larger than 4 GiB.
pub fn derive(resolve: &Resolve, scope: &Scope) -> Result<Document> {
    let mut deriver = Deriver {
        resolve,
        table: Table::new(resolve),
        ids: Ids::new(resolve),
        types: Vec::new(),
        defined: HashMap::new(),
        used: HashSet::new(),
    };
    let (title, files) = match scope {
        Scope::Packages(packages) => deriver.packages(packages)?,
        Scope::World(world) => deriver.world(*world)?,
    };
    Ok(Document { title, types: deriver.types, files })
}

struct Deriver<'r> {
    resolve: &'r Resolve,
    table: Table<'r>,
    ids: Ids,
    types: Vec<TypeName>,
    /// WIT types that have a WITX form already.
    defined: HashMap<TypeId, Witx>,
    /// Ids that are taken.
    used: HashSet<String>,
}

impl<'r> Deriver<'r> {
    fn packages(&mut self, packages: &[PackageId]) -> Result<(String, Vec<File>)> {
        let mut files = Vec::new();
        for &package in packages {
            for &id in self.resolve.packages[package].interfaces.values() {
                let functions = self.table.interface_imports(id)?;
                files.push(self.interface_file(id, functions)?);
            }
        }
        let names: Vec<String> = packages.iter().map(|&p| self.resolve.packages[p].name.to_string()).collect();
        Ok((names.join(", "), files))
    }

    fn world(&mut self, id: WorldId) -> Result<(String, Vec<File>)> {
        let world = &self.resolve.worlds[id];
        let mut by_module: Vec<(Option<InterfaceId>, String, Vec<WorldFunction<'r>>)> = Vec::new();
        let mut exports = Vec::new();
        for function in world_functions(&mut self.table, id)? {
            if function.direction == Direction::Export {
                exports.push(function);
                continue;
            }
            match by_module.iter_mut().find(|(_, module, _)| *module == function.name.module) {
                Some((_, _, functions)) => functions.push(function),
                None => by_module.push((function.interface, function.name.module.clone(), vec![function])),
            }
        }
        // Interfaces without functions still define types.
        for item in world.imports.values().chain(world.exports.values()) {
            match item {
                WorldItem::Interface { id, .. } => self.interface_types(*id)?,
                WorldItem::Type { id, .. } => drop(self.named_type(*id)?),
                WorldItem::Function(_) => {}
            }
        }
        let mut files = Vec::new();
        let mut own = Vec::new();
        for (interface, module, functions) in by_module {
            match interface {
                Some(id) if !module.starts_with("[export]") => files.push(self.interface_file(id, functions)?),
                _ => own.push(self.module(&module, None, functions)?),
            }
        }
        let (intrinsics, root): (Vec<_>, Vec<_>) = own.into_iter().partition(|m| m.core_name.is_some());
        if !root.is_empty() {
            files.push(File { name: "root.witx".to_owned(), modules: root });
        }
        if !exports.is_empty() || !intrinsics.is_empty() {
            let mut modules = vec![self.module("exports", None, exports)?];
            modules.extend(intrinsics);
            files.push(File { name: "exports.witx".to_owned(), modules });
        }
        let package = world.package.map(|p| self.resolve.id_of_name(p, &world.name));
        Ok((package.unwrap_or_else(|| world.name.clone()), files))
    }

    fn interface_file(&mut self, id: InterfaceId, functions: Vec<WorldFunction<'r>>) -> Result<File> {
        self.interface_types(id)?;
        let docs = self.resolve.interfaces[id].docs.contents.clone();
        let name = functions.first().map(|f| f.name.module.clone());
        let name = name.or_else(|| self.resolve.id_of(id)).unwrap_or_else(|| self.ids.interface(id).to_owned());
        let module = self.module(&name, docs, functions)?;
        Ok(File { name: format!("{}.witx", self.ids.interface(id)), modules: vec![module] })
    }

    fn interface_types(&mut self, id: InterfaceId) -> Result<()> {
        for &ty in self.resolve.interfaces[id].types.values() {
            self.named_type(ty)?;
        }
        Ok(())
    }

    fn module(&mut self, name: &str, docs: Option<String>, functions: Vec<WorldFunction<'r>>) -> Result<Module> {
        // `[export]` has brackets, which no id can hold.
        let (id, core_name) = match name.strip_prefix("[export]") {
            Some(rest) => (format!("export:{rest}"), Some(name.to_owned())),
            None => (name.to_owned(), None),
        };
        legal(&id)?;
        let funcs = functions.iter().map(|f| self.func(f)).collect::<Result<Vec<_>>>()?;
        Ok(Module { id, core_name, docs, funcs })
    }

    fn func(&mut self, function: &WorldFunction<'r>) -> Result<Func> {
        let (params, result, docs) = match &function.function {
            None => self.intrinsic(function)?,
            Some((wit, signature)) => {
                let mut names = HashSet::new();
                let mut params = Vec::new();
                if signature.params_spilled {
                    let record = self.params_record(function, wit)?;
                    params.push(Param { name: "args.ptr".into(), ty: Witx::ConstPointer(record.into()) });
                } else {
                    for (param, &ty) in wit.params.iter().zip(&signature.params) {
                        names.insert(param.name.clone());
                        let flat = self.table.get(ty).flat.clone().unwrap_or_default();
                        params.extend(self.flat_param(&param.name, &param.ty, &flat)?);
                    }
                }
                let mut result = None;
                match (&wit.result, signature.result_spilled, function.direction) {
                    (Some(ty), true, Direction::Import) => {
                        let pointee = self.in_memory(ty)?;
                        params.push(Param { name: "ret.ptr".into(), ty: Witx::Pointer(pointee.into()) });
                    }
                    (Some(_), true, Direction::Export) => {
                        result = Some(Param { name: "ret.ptr".into(), ty: Witx::Builtin("u32") });
                    }
                    (Some(ty), false, _) => {
                        if let Some(&core) = signature.core.results.first() {
                            let ty = self.handle_or(ty, core)?;
                            let name = if names.contains("ret") { "ret.value" } else { "ret" };
                            result = Some(Param { name: name.into(), ty });
                        }
                    }
                    (None, ..) => {}
                }
                (params, result, wit.docs.contents.clone())
            }
        };
        let mut notes = Vec::new();
        notes.extend(function.needs.memory.then_some("memory"));
        notes.extend(function.needs.realloc.then_some("realloc"));
        notes.extend(function.function.is_none().then_some("intrinsic"));
        Ok(Func { name: function.name.name.clone(), docs, params, result, notes })
    }

    /// `[resource-drop]r` and its kin: a handle (or representation) in, at most one out.
    fn intrinsic(&mut self, function: &WorldFunction<'r>) -> Result<(Vec<Param>, Option<Param>, Option<String>)> {
        let ty = match function.resource {
            Some(id) if function.core.results.is_empty() && function.direction == Direction::Import => {
                self.named_type(id)?
            }
            _ => Witx::Builtin("u32"),
        };
        let params = vec![Param { name: "self".into(), ty }];
        let result = function.core.results.first().map(|_| Param { name: "ret".into(), ty: Witx::Builtin("u32") });
        Ok((params, result, None))
    }

    fn flat_param(&mut self, name: &str, ty: &Type, flat: &[Core]) -> Result<Vec<Param>> {
        // A top-level string or list may stay typed: witx lowers it to the same pointer and length.
        if self.is_list(ty) {
            return Ok(vec![Param { name: name.to_owned(), ty: self.in_memory(ty)? }]);
        }
        match flat {
            [] => Ok(Vec::new()),
            [core] => Ok(vec![Param { name: name.to_owned(), ty: self.handle_or(ty, *core)? }]),
            slots => Ok(slots
                .iter()
                .enumerate()
                .map(|(i, &core)| Param { name: format!("{name}.{i}"), ty: scalar(core) })
                .collect()),
        }
    }

    fn is_list(&mut self, ty: &Type) -> bool {
        self.table.ty(ty).is_ok_and(|id| matches!(self.table.get(id).kind, Kind::String | Kind::List(_)))
    }

    /// A flat slot: handles keep their type, everything else is the unsigned core type, because typed consumers check
    /// what canonical lifting ignores.
    fn handle_or(&mut self, ty: &Type, core: Core) -> Result<Witx> {
        let id = self.table.ty(ty)?;
        match self.table.get(id).kind {
            Kind::Own(resource) | Kind::Borrow(resource) => self.named_type(resource),
            _ => Ok(scalar(core)),
        }
    }

    /// The record that `args.ptr` points to when parameters are spilled.
    fn params_record(&mut self, function: &WorldFunction<'r>, wit: &wit_parser::Function) -> Result<Witx> {
        let fields =
            wit.params.iter().map(|p| Ok((p.name.clone(), self.in_memory(&p.ty)?))).collect::<Result<Vec<_>>>()?;
        let owner = match function.interface {
            Some(id) => self.ids.interface(id).to_owned(),
            None => "root".to_owned(),
        };
        let name = wit.name.replace(['[', ']'], "#");
        let def = Witx::Record(fields);
        let id = format!("{owner}.{}.params", name.trim_start_matches('#'));
        // A function that is both imported and exported has one record.
        if let Some(known) = self.types.iter().find(|t| t.id == id) {
            if known.def == def {
                return Ok(Witx::Name(id));
            }
            return Err(Diagnostic::new(Code::NotExpressible, format!("two types would share the WITX id `${id}`")));
        }
        self.add(TypeName { id: id.clone(), docs: None, note: Some("params"), def, origin: None })?;
        Ok(Witx::Name(id))
    }

    /// A reference to the type that has the memory layout of `ty`.
    fn in_memory(&mut self, ty: &Type) -> Result<Witx> {
        Ok(match ty {
            Type::Bool => self.bool()?,
            Type::U8 => Witx::Builtin("u8"),
            Type::U16 => Witx::Builtin("u16"),
            Type::U32 => Witx::Builtin("u32"),
            Type::U64 => Witx::Builtin("u64"),
            Type::S8 => Witx::Builtin("s8"),
            Type::S16 => Witx::Builtin("s16"),
            Type::S32 => Witx::Builtin("s32"),
            Type::S64 => Witx::Builtin("s64"),
            Type::F32 => Witx::Builtin("f32"),
            Type::F64 => Witx::Builtin("f64"),
            Type::Char => Witx::Builtin("char"),
            Type::String => Witx::Builtin("string"),
            Type::ErrorContext => self.structural("error-context", Some("error-context"), Witx::Handle, None)?,
            Type::Id(id) => self.named_type(*id)?,
        })
    }

    /// WITX's own `bool` is four bytes wide, the canonical one is one.
    fn bool(&mut self) -> Result<Witx> {
        let def = Witx::Enum("u8", vec!["false".to_owned(), "true".to_owned()]);
        self.structural("bool", None, def, Some(Type::Bool))
    }

    fn named_type(&mut self, id: TypeId) -> Result<Witx> {
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
                self.named_type(*origin)?
            }
            (Some(name), kind) => {
                let definition = self.definition(id, kind).map_err(|e| e.in_item(name))?;
                let ty_id = self.ids.named(self.resolve, id, name);
                if self.used.contains(&ty_id) {
                    return Err(Diagnostic::new(
                        Code::NotExpressible,
                        format!("two types would share the WITX id `${ty_id}`"),
                    ));
                }
                let is_resource = matches!(kind, TypeDefKind::Resource);
                self.add(TypeName {
                    id: ty_id.clone(),
                    docs: def.docs.contents.clone(),
                    note: is_resource.then_some("resource"),
                    def: definition,
                    // A resource has no layout, nor has another name for one.
                    origin: (!self.is_resource(id)).then_some(Type::Id(id)),
                })?;
                Witx::Name(ty_id)
            }
            (None, kind) => self.anonymous(id, kind)?,
        };
        self.defined.insert(id, witx.clone());
        Ok(witx)
    }

    fn is_resource(&self, mut id: TypeId) -> bool {
        while let TypeDefKind::Type(Type::Id(origin)) = &self.resolve.types[id].kind {
            id = *origin;
        }
        matches!(self.resolve.types[id].kind, TypeDefKind::Resource)
    }

    fn anonymous(&mut self, id: TypeId, kind: &TypeDefKind) -> Result<Witx> {
        let origin = Some(Type::Id(id));
        match kind {
            TypeDefKind::List(_) | TypeDefKind::Map(..) | TypeDefKind::Type(_) => self.definition(id, kind),
            TypeDefKind::Handle(Handle::Own(r)) => {
                let target = self.named_type(*r)?;
                self.structural(&format!("own<{}>", mangle(&target)), Some("own"), target, origin)
            }
            TypeDefKind::Handle(Handle::Borrow(r)) => {
                let target = self.named_type(*r)?;
                self.structural(&format!("borrow<{}>", mangle(&target)), Some("borrow"), target, origin)
            }
            _ => {
                let definition = self.definition(id, kind)?;
                let note = match kind {
                    TypeDefKind::Stream(_) => Some("stream"),
                    TypeDefKind::Future(_) => Some("future"),
                    _ => None,
                };
                let name = self.structural_name(kind)?;
                self.structural(&name, note, definition, origin)
            }
        }
    }

    fn structural_name(&mut self, kind: &TypeDefKind) -> Result<String> {
        let mut part = |ty: &Option<Type>| match ty {
            Some(ty) => Ok::<_, Box<Diagnostic>>(mangle(&self.in_memory(ty)?)),
            None => Ok("unit".to_owned()),
        };
        Ok(match kind {
            TypeDefKind::Option(ty) => format!("option<{}>", part(&Some(*ty))?),
            TypeDefKind::Result(r) => format!("result<{}|{}>", part(&r.ok)?, part(&r.err)?),
            TypeDefKind::Tuple(t) => {
                let parts = t.types.iter().map(|ty| part(&Some(*ty))).collect::<Result<Vec<_>>>()?;
                format!("tuple<{}>", parts.join("|"))
            }
            TypeDefKind::FixedLengthList(ty, n) => format!("list<{}|{n}>", part(&Some(*ty))?),
            TypeDefKind::Stream(ty) => format!("stream<{}>", part(ty)?),
            TypeDefKind::Future(ty) => format!("future<{}>", part(ty)?),
            other => {
                return Err(Diagnostic::new(Code::NotExpressible, format!("a `{}` without a name", other.as_str())));
            }
        })
    }

    /// Defines a type by its structure, once.
    fn structural(&mut self, id: &str, note: Option<&'static str>, def: Witx, origin: Option<Type>) -> Result<Witx> {
        if !self.used.contains(id) {
            self.add(TypeName { id: id.to_owned(), docs: None, note, def, origin })?;
        }
        Ok(Witx::Name(id.to_owned()))
    }

    fn definition(&mut self, id: TypeId, kind: &TypeDefKind) -> Result<Witx> {
        Ok(match kind {
            TypeDefKind::Resource => Witx::Handle,
            TypeDefKind::Stream(ty) | TypeDefKind::Future(ty) => {
                if let Some(ty) = ty {
                    self.in_memory(ty)?;
                }
                Witx::Handle
            }
            TypeDefKind::Handle(Handle::Own(r) | Handle::Borrow(r)) => self.named_type(*r)?,
            TypeDefKind::Type(ty) => self.in_memory(ty)?,
            TypeDefKind::List(ty) => Witx::List(self.in_memory(ty)?.into()),
            TypeDefKind::Map(key, value) => {
                let pair = Witx::Tuple(vec![self.in_memory(key)?, self.in_memory(value)?]);
                Witx::List(pair.into())
            }
            TypeDefKind::FixedLengthList(ty, n) => {
                if *n > MAX_FIXED_LIST {
                    return Err(Diagnostic::new(
                        Code::NotExpressible,
                        format!(
                            "a list of {n} elements: WITX has no arrays, and at most {MAX_FIXED_LIST} are spelled out"
                        ),
                    ));
                }
                Witx::Tuple(vec![self.in_memory(ty)?; *n as usize])
            }
            TypeDefKind::Record(r) if r.fields.is_empty() => {
                return Err(Diagnostic::new(Code::NotExpressible, "a record without fields"));
            }
            TypeDefKind::Record(r) => {
                let fields = r.fields.iter().map(|f| Ok((f.name.clone(), self.in_memory(&f.ty)?)));
                Witx::Record(fields.collect::<Result<Vec<_>>>()?)
            }
            TypeDefKind::Tuple(t) if t.types.is_empty() => {
                return Err(Diagnostic::new(Code::NotExpressible, "a tuple without members"));
            }
            TypeDefKind::Tuple(t) => {
                Witx::Tuple(t.types.iter().map(|ty| self.in_memory(ty)).collect::<Result<Vec<_>>>()?)
            }
            TypeDefKind::Flags(_)
            | TypeDefKind::Enum(_)
            | TypeDefKind::Variant(_)
            | TypeDefKind::Option(_)
            | TypeDefKind::Result(_) => self.tagged(id, kind)?,
            TypeDefKind::Unknown => {
                return Err(Diagnostic::new(Code::NotExpressible, "a type that was never resolved"));
            }
        })
    }

    /// Types with an explicit tag or representation, always of the table's size: WITX's own defaults are `u32`.
    fn tagged(&mut self, id: TypeId, kind: &TypeDefKind) -> Result<Witx> {
        let laid_out = self.table.ty(&Type::Id(id))?;
        let tag = match &self.table.get(laid_out).kind {
            Kind::Flags { tag, .. } => tag.name(),
            Kind::Variant(v) => v.tag.name(),
            _ => return Err(Diagnostic::new(Code::Internal, "a tagged type without a tag")),
        };
        let cases: Vec<(String, Option<Type>)> = match kind {
            TypeDefKind::Flags(f) => {
                return Ok(Witx::Flags(tag, f.flags.iter().map(|f| f.name.clone()).collect()));
            }
            TypeDefKind::Enum(e) => {
                return Ok(Witx::Enum(tag, e.cases.iter().map(|c| c.name.clone()).collect()));
            }
            TypeDefKind::Variant(v) => v.cases.iter().map(|c| (c.name.clone(), c.ty)).collect(),
            TypeDefKind::Option(ty) => vec![("none".into(), None), ("some".into(), Some(*ty))],
            TypeDefKind::Result(r) => vec![("ok".into(), r.ok), ("err".into(), r.err)],
            _ => Vec::new(),
        };
        let mut out = Vec::new();
        for (name, ty) in &cases {
            out.push((name.clone(), ty.as_ref().map(|ty| self.in_memory(ty)).transpose()?));
        }
        self.pad(laid_out, &mut out);
        Ok(Witx::Variant(tag, out))
    }

    /// The `witx` crate sizes each case at its own alignment, so a variant whose largest payload is not its most
    /// aligned one comes out too small. Widening the most aligned payload up to the variant's end cures that without
    /// reaching beyond it: that payload starts at the canonical offset and ends at the canonical size.
    fn pad(&self, id: crate::abi::TyId, cases: &mut [(String, Option<Witx>)]) {
        let ty = self.table.get(id);
        let Kind::Variant(variant) = &ty.kind else { return };
        let payload = |i: usize| variant.cases[i].ty.map(|t| self.table.get(t));
        let tag = variant.tag.size();
        let sized = (0..cases.len()).filter_map(payload).map(|p| {
            let align = p.align.max(tag);
            (tag.next_multiple_of(p.align) + p.size).next_multiple_of(align)
        });
        if sized.max().unwrap_or(tag) == ty.size {
            return;
        }
        let Some(widest) = (0..cases.len()).rev().max_by_key(|&i| payload(i).map_or(0, |p| p.align)) else { return };
        let (Some(p), Some(witx)) = (payload(widest), &mut cases[widest].1) else { return };
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
    }

    fn add(&mut self, ty: TypeName) -> Result<()> {
        legal(&ty.id)?;
        self.used.insert(ty.id.clone());
        self.types.push(ty);
        Ok(())
    }
}

fn scalar(core: Core) -> Witx {
    Witx::Builtin(match core {
        Core::I32 => "u32",
        Core::I64 => "u64",
        Core::F32 => "f32",
        Core::F64 => "f64",
    })
}

/// A type reference as part of a structural id.
fn mangle(ty: &Witx) -> String {
    match ty {
        Witx::Builtin(name) => (*name).to_owned(),
        Witx::Name(id) => id.clone(),
        Witx::List(ty) => format!("list<{}>", mangle(ty)),
        Witx::Tuple(types) => format!("tuple<{}>", types.iter().map(mangle).collect::<Vec<_>>().join("|")),
        _ => "handle".to_owned(),
    }
}
