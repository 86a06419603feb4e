//! Layouts and canonical signatures of a [`Document`], from nothing but the document: what a derived file says of itself
//! is computed again by the ABI table, and must be the same.

use super::declared::Defs;
use super::model::{Document, Func, FuncRole, Module, Param, TypeKind, TypeName, Witx};
use super::read::signature as judged;
use crate::abi::{Core, CoreSignature, Direction, Kind, Layouts, Lowering, Needs, Resource, Signature, TyId};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use witx::Layout;

/// The ABI of a document.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// All layouts.
    pub layouts: Layouts,
    /// By id: the layout, or the resource where it is one.
    types: HashMap<String, Named>,
    leaves: HashMap<&'static str, TyId>,
    lists: HashMap<TyId, TyId>,
    /// Tuples that stand where a type is named: pairs of maps.
    tuples: HashMap<Vec<Witx>, TyId>,
    /// Names of the resources, by number.
    resources: Vec<String>,
    /// In the order of [`Document::functions`].
    functions: Vec<FuncAbi>,
}

#[derive(Debug, Clone, Copy)]
enum Named {
    Type(TyId),
    Resource(Resource),
}

/// The ABI of one function.
#[derive(Debug, Clone)]
pub struct FuncAbi {
    /// What the engine sees.
    pub core: CoreSignature,
    /// The canonical form; none for intrinsics.
    pub signature: Option<Signature>,
    /// How many slots each WITX parameter takes: two for strings and lists.
    widths: Vec<usize>,
}

impl FuncAbi {
    /// The core parameters of `func`, whose ABI this is: a name for each, and the WITX parameter that it belongs to.
    pub fn slots<'f>(&self, func: &'f Func) -> Vec<(String, Core, &'f Param)> {
        let mut cores = self.core.params.iter();
        let mut out = Vec::with_capacity(self.core.params.len());
        for (param, &width) in func.params.iter().zip(&self.widths) {
            for (part, &core) in ["ptr", "len"].iter().zip(cores.by_ref().take(width)) {
                let name = if width == 1 { param.name.clone() } else { format!("{}.{part}", param.name) };
                out.push((name, core, param));
            }
        }
        out
    }
}

impl Rebuilt {
    /// Computes it. Fails with [`Code::WitxLies`] where the document contradicts itself, and as the ABI table does.
    pub fn of(document: &Document) -> Result<Rebuilt> {
        let mut rebuilt = Rebuilt::default();
        for ty in &document.types {
            let named = rebuilt.named(ty).map_err(|e| e.fact("item", ty.id.clone()))?;
            if let (Named::Type(id), Some(claimed)) = (named, ty.layout) {
                let laid_out = rebuilt.layouts.get(id);
                let found = (laid_out.size, laid_out.align);
                if claimed != found {
                    return Err(lie(&ty.id, "size and alignment", text(found), text(claimed)));
                }
            }
            rebuilt.types.insert(ty.id.clone(), named);
        }
        let defs = document.types.iter().map(|ty| (ty.id.as_str(), ty)).collect();
        for (_, func) in document.functions() {
            let abi = rebuilt.function(func, &defs).map_err(|e| e.fact("item", func.name.clone()))?;
            rebuilt.functions.push(abi);
        }
        rebuilt.post_returns(document)?;
        Ok(rebuilt)
    }

    /// The functions of `document`, from which this was made, with their ABI.
    pub fn functions<'d>(
        &'d self,
        document: &'d Document,
    ) -> impl Iterator<Item = (&'d Module, &'d Func, &'d FuncAbi)> {
        document.functions().zip(&self.functions).map(|((module, func), abi)| (module, func, abi))
    }

    /// The layout of a type by its id; none for resources and unknown ids.
    pub fn by_id(&self, id: &str) -> Option<TyId> {
        match self.types.get(id)? {
            Named::Type(id) => Some(*id),
            Named::Resource(_) => None,
        }
    }

    /// The layout of an expression that the document holds; none for resources.
    pub fn known(&self, ty: &Witx) -> Option<TyId> {
        match ty {
            Witx::Builtin(name) => self.leaves.get(name).copied(),
            Witx::Name(id) => self.by_id(id),
            Witx::List(element) => self.lists.get(&self.known(element)?).copied(),
            Witx::Tuple(types) => self.tuples.get(types).copied(),
            _ => None,
        }
    }

    /// The id of the typename that a resource number stands for.
    pub fn resource(&self, resource: Resource) -> &str {
        self.resources.get(resource.0 as usize).map_or("?", String::as_str)
    }

    /// The layout of a type expression.
    pub fn ty(&mut self, ty: &Witx) -> Result<TyId> {
        match ty {
            Witx::Builtin(name) => self.builtin(name),
            Witx::Name(id) => match self.types.get(id) {
                Some(Named::Type(id)) => Ok(*id),
                // Where a resource itself stands for a value, it is a handle that is owned.
                Some(Named::Resource(resource)) => self.layouts.leaf(Kind::Own(*resource)),
                None => Err(Diagnostic::new(Code::WitxLies, format!("`${id}` is used before it is defined"))),
            },
            Witx::List(element) => {
                let element = self.ty(element)?;
                if let Some(&known) = self.lists.get(&element) {
                    return Ok(known);
                }
                let list = self.layouts.list(element)?;
                self.lists.insert(element, list);
                Ok(list)
            }
            Witx::Tuple(types) => {
                if let Some(&known) = self.tuples.get(types) {
                    return Ok(known);
                }
                let tuple = self.tuple(types)?;
                self.tuples.insert(types.clone(), tuple);
                Ok(tuple)
            }
            other => {
                let shown = super::print::text(other);
                Err(Diagnostic::new(Code::WitxLies, format!("`{shown}` stands where only a named type may")))
            }
        }
    }

    fn builtin(&mut self, name: &'static str) -> Result<TyId> {
        if let Some(&known) = self.leaves.get(name) {
            return Ok(known);
        }
        let id = self.layouts.leaf(match name {
            "u8" => Kind::U8,
            "u16" => Kind::U16,
            "u32" => Kind::U32,
            "u64" => Kind::U64,
            "s8" => Kind::S8,
            "s16" => Kind::S16,
            "s32" => Kind::S32,
            "s64" => Kind::S64,
            "f32" => Kind::F32,
            "f64" => Kind::F64,
            "char" => Kind::Char,
            _ => Kind::String,
        })?;
        self.leaves.insert(name, id);
        Ok(id)
    }

    fn tuple(&mut self, types: &[Witx]) -> Result<TyId> {
        let members = types.iter().enumerate().map(|(i, ty)| Ok((i.to_string(), self.ty(ty)?)));
        let members = members.collect::<Result<_>>()?;
        self.layouts.record(members)
    }

    fn named(&mut self, ty: &TypeName) -> Result<Named> {
        let id = match (&ty.kind, &ty.def) {
            (TypeKind::Resource, Witx::Handle) => {
                let number = u32::try_from(self.resources.len()).expect("fewer than 2^32 types fit in memory");
                self.resources.push(ty.id.clone());
                return Ok(Named::Resource(Resource(number)));
            }
            (TypeKind::Alias, Witx::Name(id)) if matches!(self.types.get(id), Some(Named::Resource(_))) => {
                return Ok(self.types[id]);
            }
            (TypeKind::Own | TypeKind::Borrow, Witx::Name(id)) => match (self.types.get(id), &ty.kind) {
                (Some(Named::Resource(r)), TypeKind::Own) => self.layouts.leaf(Kind::Own(*r))?,
                (Some(Named::Resource(r)), _) => self.layouts.leaf(Kind::Borrow(*r))?,
                _ => return Err(Diagnostic::new(Code::WitxLies, format!("`${id}` is no resource"))),
            },
            (TypeKind::Alias, def) => self.ty(def)?,
            (TypeKind::Bool, Witx::Enum("u8", cases)) if cases.iter().eq(&["false", "true"]) => {
                self.layouts.leaf(Kind::Bool)?
            }
            (TypeKind::Char, Witx::Builtin("u32")) => self.layouts.leaf(Kind::Char)?,
            (TypeKind::Record | TypeKind::Params, Witx::Record(fields)) => {
                let members = fields.iter().map(|(name, ty)| Ok((name.clone(), self.ty(ty)?)));
                let members = members.collect::<Result<_>>()?;
                self.layouts.record(members)?
            }
            (TypeKind::Tuple, Witx::Tuple(types)) => self.tuple(types)?,
            (TypeKind::Flags, Witx::Flags(repr, names)) => {
                let id = self.layouts.flags(names.clone())?;
                self.tagged(id, repr)?
            }
            (TypeKind::Enum, Witx::Enum(tag, names)) => {
                let id = self.layouts.variant(names.iter().map(|name| (name.clone(), None)).collect())?;
                self.tagged(id, tag)?
            }
            (
                kind @ (TypeKind::Variant { .. } | TypeKind::Option { .. } | TypeKind::Result { .. }),
                Witx::Variant(tag, cases),
            ) => {
                let cases = self.cases(kind, cases)?;
                let id = self.layouts.variant(cases)?;
                self.tagged(id, tag)?
            }
            (TypeKind::FixedList(element, length), Witx::Tuple(members)) => {
                let element = self.ty(element)?;
                if !self.spelled(members, element, *length)? {
                    return Err(Diagnostic::new(Code::WitxLies, format!("`${}` is no list of {length}", ty.id)));
                }
                self.layouts.fixed_list(element, *length)?
            }
            (TypeKind::Map, Witx::List(pair)) if matches!(&**pair, Witx::Tuple(pair) if pair.len() == 2) => {
                self.ty(&ty.def)?
            }
            (TypeKind::Stream(payload), Witx::Handle) => {
                let payload = payload.as_ref().map(|ty| self.ty(ty)).transpose()?;
                self.layouts.stream(payload)?
            }
            (TypeKind::Future(payload), Witx::Handle) => {
                let payload = payload.as_ref().map(|ty| self.ty(ty)).transpose()?;
                self.layouts.future(payload)?
            }
            (TypeKind::ErrorContext, Witx::Handle) => self.layouts.leaf(Kind::ErrorContext)?,
            (kind, _) => {
                return Err(Diagnostic::new(Code::WitxLies, format!("`${}` is no {}", ty.id, kind.name())));
            }
        };
        Ok(Named::Type(id))
    }

    /// The cases as the WIT has them: without the padding, and options and results under their own names.
    fn cases(&mut self, kind: &TypeKind, cases: &[(String, Option<Witx>)]) -> Result<Vec<(String, Option<TyId>)>> {
        let shape: &[&str] = match kind {
            TypeKind::Option { .. } => &["none", "some"],
            TypeKind::Result { .. } => &["ok", "err"],
            _ => &[],
        };
        if !shape.is_empty() && !cases.iter().map(|(name, _)| name).eq(shape) {
            return Err(Diagnostic::new(Code::WitxLies, format!("these are not the cases of a {}", kind.name())));
        }
        let mut out = Vec::new();
        for (i, (name, ty)) in cases.iter().enumerate() {
            let ty = match (ty, kind.padded() == Some(i)) {
                (Some(Witx::Tuple(members)), true) => members.first(),
                (_, true) => return Err(Diagnostic::new(Code::WitxLies, "a padded case is a tuple")),
                (ty, false) => ty.as_ref(),
            };
            let name = if matches!(kind, TypeKind::Result { .. }) && name == "err" { "error" } else { name };
            out.push((name.to_owned(), ty.map(|ty| self.ty(ty)).transpose()?));
        }
        Ok(out)
    }

    fn tagged(&self, id: TyId, claimed: &str) -> Result<TyId> {
        let tag = match &self.layouts.get(id).kind {
            Kind::Flags { tag, .. } => *tag,
            Kind::Variant(v) => v.tag,
            _ => return Ok(id),
        };
        if tag.name() == claimed {
            return Ok(id);
        }
        Err(Diagnostic::new(Code::WitxLies, "another discriminant than the Canonical ABI's")
            .fact("wanted", tag.name())
            .fact("found", claimed))
    }

    fn function(&mut self, func: &Func, defs: &Defs<'_>) -> Result<FuncAbi> {
        let (mut params, mut widths) = (Vec::new(), Vec::new());
        for param in &func.params {
            let before = params.len();
            self.flat(&param.ty, &mut params)?;
            widths.push(params.len() - before);
        }
        let mut results = Vec::new();
        if let Some(result) = &func.result {
            self.flat(&result.ty, &mut results)?;
        }
        let core = CoreSignature::new(params, results);
        let (signature, needs) = match &func.role {
            FuncRole::Call { lowering, params, result, wit } => {
                let types = params.iter().map(|p| self.ty(&p.ty)).collect::<Result<Vec<_>>>()?;
                let result = result.as_ref().map(|ty| self.ty(ty)).transpose()?;
                let canonical = self.layouts.signature(types, result, *lowering);
                self.slots(func, &canonical)?;
                named_after(func, wit)?;
                let needs = Needs { memory: canonical.needs_memory, realloc: canonical.needs_realloc };
                (Some(canonical), Some(needs))
            }
            FuncRole::TaskReturn { result } => {
                let result = result.as_ref().map(|ty| self.ty(ty)).transpose()?;
                (Some(self.layouts.signature(result.into_iter().collect(), None, Lowering::Import)), None)
            }
            _ => (None, None),
        };
        let (wanted, needs) = match (&signature, needs) {
            (Some(canonical), Some(needs)) => (canonical.core.clone(), needs),
            // The core signature of a post-return is that of its export, turned round.
            _ if func.role == FuncRole::PostReturn => (core.clone(), Needs::default()),
            _ => self
                .intrinsic(func, signature.as_ref())?
                .ok_or_else(|| Diagnostic::new(Code::WitxLies, format!("there is no `{}`", func.name)))?,
        };
        if wanted != core {
            return Err(lie(&func.name, "signature", wanted, core));
        }
        if needs != func.needs {
            return Err(Diagnostic::new(Code::WitxLies, format!("`{}` needs something else of the guest", func.name)));
        }
        self.declared(func, signature.as_ref(), defs)?;
        Ok(FuncAbi { core, signature, widths })
    }

    /// A post-return takes what its export returns.
    fn post_returns(&self, document: &Document) -> Result<()> {
        let exports = self.functions(document).filter(|(module, ..)| module.direction == Direction::Export);
        let results: HashMap<&str, &[Core]> =
            exports.map(|(_, f, abi)| (f.name.as_str(), &*abi.core.results)).collect();
        for (_, func, abi) in self.functions(document).filter(|(_, f, _)| f.role == FuncRole::PostReturn) {
            let name = func.name.as_str();
            let export = name.strip_prefix("cabi_post_").or_else(|| name.strip_suffix("_post"));
            let returned = export.and_then(|export| results.get(export)).copied();
            if returned != Some(&*abi.core.params) || !abi.core.results.is_empty() {
                let wanted = returned.map_or_else(|| "an export".to_owned(), |r| CoreSignature::new(r, []).to_string());
                return Err(lie(name, "signature", wanted, abi.core.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn is_resource(&self, id: &str, resource: Resource) -> bool {
        matches!(self.types.get(id), Some(Named::Resource(found)) if *found == resource)
    }

    /// Whether these members spell out so many elements: themselves, or in blocks.
    fn spelled(&mut self, members: &[Witx], element: TyId, length: u32) -> Result<bool> {
        let mut spelled = 0u64;
        let mut before: Option<(&Witx, u64)> = None;
        for member in members {
            let count = match before {
                Some((same, count)) if same == member => count,
                _ => match self.ty(member)? {
                    id if id == element => 1,
                    id => match self.layouts.get(id).kind {
                        Kind::FixedList(block, count) if block == element => u64::from(count),
                        _ => return Ok(false),
                    },
                },
            };
            before = Some((member, count));
            spelled += count;
        }
        Ok(spelled == u64::from(length))
    }

    /// The slots that each parameter is said to take.
    fn slots(&self, func: &Func, canonical: &Signature) -> Result<()> {
        let FuncRole::Call { params, .. } = &func.role else { return Ok(()) };
        for (param, &id) in params.iter().zip(&canonical.params) {
            let taken = self.layouts.get(id).flat.as_ref().map(Vec::len).filter(|_| !canonical.params_spilled);
            if taken != param.slots {
                let shown = |slots: Option<usize>| slots.map_or_else(|| "spilled".to_owned(), |n| n.to_string());
                return Err(lie(&func.name, "number of slots", shown(taken), shown(param.slots)));
            }
        }
        Ok(())
    }

    fn flat(&self, ty: &Witx, out: &mut Vec<Core>) -> Result<()> {
        match ty {
            Witx::Builtin("u64" | "s64") => out.push(Core::I64),
            Witx::Builtin("f32") => out.push(Core::F32),
            Witx::Builtin("f64") => out.push(Core::F64),
            Witx::Builtin("string") | Witx::List(_) => out.extend([Core::I32; 2]),
            Witx::Builtin(_) | Witx::Pointer(_) | Witx::ConstPointer(_) => out.push(Core::I32),
            Witx::Name(id) => match self.types.get(id) {
                Some(Named::Resource(_)) => out.push(Core::I32),
                Some(Named::Type(id)) => match &self.layouts.get(*id).kind {
                    Kind::String | Kind::List(_) => out.extend([Core::I32; 2]),
                    Kind::Stream(_) | Kind::Future(_) | Kind::ErrorContext | Kind::Own(_) | Kind::Borrow(_) => {
                        out.push(Core::I32);
                    }
                    _ => {
                        return Err(Diagnostic::new(
                            Code::WitxLies,
                            format!("`${id}` is no flat parameter", id = id_of(ty)),
                        ));
                    }
                },
                None => return Err(Diagnostic::new(Code::WitxLies, format!("`${id}` is not defined"))),
            },
            _ => return Err(Diagnostic::new(Code::WitxLies, "an aggregate is no flat parameter")),
        }
        Ok(())
    }

    /// Compares with what the `witx` crate makes of the same text: every signature, size, alignment and offset. Fails
    /// with [`Code::WitxLies`] on the first difference; gives the number of offsets compared.
    pub(super) fn compare(&self, document: &Document, parsed: &witx::Document) -> Result<usize> {
        let mut offsets = 0;
        for ty in &document.types {
            let Some(id) = self.by_id(&ty.id) else { continue };
            let found =
                parsed.typename(&witx::Id::new(&ty.id)).ok_or_else(|| lie(&ty.id, "definition", "one", "none"))?;
            let laid_out = self.layouts.get(id);
            // That crate's layout of a type takes time by what is in it, wherever it stands.
            if laid_out.is_large() {
                continue;
            }
            let (want, have) = ((laid_out.size as usize, laid_out.align as usize), found.mem_size_align());
            if want != (have.size, have.align) {
                return Err(lie(&ty.id, "size and alignment", text(want), text((have.size, have.align))));
            }
            let want: Vec<usize> = match &laid_out.kind {
                Kind::Record(fields) => fields.iter().map(|f| f.offset as usize).collect(),
                Kind::Variant(v) if v.cases.iter().any(|c| c.ty.is_some()) => vec![v.payload as usize],
                _ => continue,
            };
            let have: Vec<usize> = match &**found.type_() {
                witx::Type::Record(r) => r.member_layout().iter().map(|m| m.offset).collect(),
                witx::Type::Variant(v) => vec![v.payload_offset()],
                _ => Vec::new(),
            };
            if want != have {
                return Err(lie(&ty.id, "offsets", format!("{want:?}"), format!("{have:?}")));
            }
            offsets += have.len();
        }
        let functions: HashMap<(&str, &str), &FuncAbi> =
            self.functions(document).map(|(m, f, abi)| ((m.id.as_str(), f.name.as_str()), abi)).collect();
        for module in parsed.modules() {
            for func in module.funcs() {
                let name = func.name.as_str();
                let key = (module.name.as_str(), name);
                let abi =
                    functions.get(&key).ok_or_else(|| lie(name, "definition", "none", "one by the `witx` crate"))?;
                if judged(&func).as_ref() != Some(&abi.core) {
                    return Err(lie(name, "signature", abi.core.clone(), "another one by the `witx` crate"));
                }
            }
        }
        let judged: usize = parsed.modules().map(|m| m.funcs().count()).sum();
        let mut seen = HashSet::new();
        for (module, func) in document.functions() {
            if !seen.insert((&module.id, &func.name)) {
                let twice = format!("two functions of `{}` have the name `{}`", module.id, func.name);
                return Err(Diagnostic::new(Code::WitxLies, twice).fact("item", func.name.clone()));
            }
        }
        if judged != seen.len() {
            return Err(Diagnostic::new(Code::WitxLies, "the `witx` crate reads another number of functions"));
        }
        Ok(offsets)
    }
}

/// The export's or field's name ends with the function's own, behind whatever marks the form and the interface.
fn named_after(func: &Func, wit: &str) -> Result<()> {
    let own = wit.split_once(": ").map_or(wit, |(name, _)| name);
    match func.name.strip_suffix(own) {
        Some(before) if before.is_empty() || before.ends_with([']', '#', '|']) => Ok(()),
        _ => Err(lie(&func.name, "name", own, &func.name)),
    }
}

fn id_of(ty: &Witx) -> String {
    super::print::text(ty).trim_start_matches('$').to_owned()
}

fn text<T: Display>((size, align): (T, T)) -> String {
    format!("{size} bytes, aligned to {align}")
}

/// What a document says of itself and what follows from it differ.
pub(super) fn lie(item: &str, what: &str, wanted: impl Display, found: impl Display) -> Box<Diagnostic> {
    Diagnostic::new(Code::WitxLies, format!("`{item}` has another {what} than its types have"))
        .fact("wanted", wanted.to_string())
        .fact("found", found.to_string())
        .fact("item", item)
}
