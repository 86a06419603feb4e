//! From a derivation to the [`Sheet`] of what was asked for. WITX is enough: nothing else is read.

use super::sheet::{Area, Body, Call, Case, Node, Sheet, Slot};
use crate::abi::{Core, Direction, Kind, Layouts, Lowering, TyId};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::witx::{Derivation, Func, FuncAbi, FuncRole, Module, TypeKind, TypeName, Witx};
use std::collections::HashMap;

/// Pointers are followed this deep.
const MAX_FOLLOWED: u32 = 3;

/// A sheet holds this many values; more than that is no picture.
const MAX_NODES: usize = 50_000;

/// Flat parameters that are kept beyond the limit.
const MAX_FLATTENED: usize = 64;

/// The sheet of everything in `derivation`, or of the `item` of it: an interface (`types`), a type (`types.error-code` or
/// `error-code`) or a function (`fields.get`, `types.fields.get`). Fails with [`Code::UnknownItem`] if there is none, and with
/// [`Code::TooMuch`] if it is too much for a picture.
pub fn sheet(derivation: &Derivation, item: Option<&str>) -> Result<Sheet> {
    let document = &derivation.document;
    let builder =
        &mut Builder { derivation, types: document.types.iter().map(|ty| (ty.id.as_str(), ty)).collect(), nodes: 0 };
    let mut sheet = Sheet { title: document.title.clone(), types: Vec::new(), functions: Vec::new() };
    for ty in &document.types {
        let Some(owner) = &ty.owner else { continue };
        if item.is_none_or(|item| is_named(item, owner, &ty.wit)) && ty.layout.is_some() {
            sheet.types.push(builder.area(ty)?);
        }
    }
    for (module, func, abi) in derivation.rebuilt.functions(document) {
        let FuncRole::Call { .. } = &func.role else { continue };
        let (owner, name) = owner(module, func);
        let plain = name.rsplit_once(']').map_or(name, |(_, plain)| plain);
        if item.is_none_or(|item| is_named(item, owner, plain) || item == func.name) {
            sheet.functions.push(builder.call(module, func, abi)?);
        }
    }
    if let (Some(item), true) = (item, sheet.types.is_empty() && sheet.functions.is_empty()) {
        return Err(unknown(derivation, item));
    }
    if let Some(item) = item {
        sheet.title = format!("{} · {item}", document.title);
    }
    Ok(sheet)
}

/// The interface of a function, and its name there.
fn owner<'d>(module: &'d Module, func: &'d Func) -> (&'d str, &'d str) {
    match (module.direction, func.name.split_once('#')) {
        (Direction::Export, Some((interface, name))) => (interface, name),
        _ => (module.interface.as_deref().unwrap_or(&module.core_name), &func.name),
    }
}

/// Whether `item` names an interface, or something in it.
fn is_named(item: &str, owner: &str, name: &str) -> bool {
    let interface = owner.split('@').next().unwrap_or(owner);
    let short = interface.rsplit('/').next().unwrap_or(interface);
    item == short
        || item == interface
        || item == name
        || [short, interface]
            .iter()
            .any(|interface| item.strip_prefix(interface).and_then(|rest| rest.strip_prefix('.')) == Some(name))
}

fn unknown(derivation: &Derivation, item: &str) -> Box<Diagnostic> {
    let document = &derivation.document;
    let error = Diagnostic::new(
        Code::UnknownItem,
        format!("`{item}` is no interface, type or function of `{}`", document.title),
    );
    let plain = |name: &str| name.rsplit_once(']').map_or(name.to_owned(), |(_, plain)| plain.to_owned());
    let interface = |owner: &str| owner.split('@').next().and_then(|o| o.rsplit('/').next()).map(str::to_owned);
    let types = document.types.iter().filter(|ty| ty.owner.is_some());
    let mut names: Vec<String> = types.clone().map(|ty| ty.wit.clone()).collect();
    names.extend(document.functions().map(|(module, func)| plain(owner(module, func).1)));
    names.extend(types.filter_map(|ty| interface(ty.owner.as_deref()?)));
    let last = item.rsplit('.').next().unwrap_or(item);
    let near = nearest(item, names.iter().map(String::as_str)).or(nearest(last, names.iter().map(String::as_str)));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("without an item, everything is drawn"),
    }
}

struct Builder<'d> {
    derivation: &'d Derivation,
    types: HashMap<&'d str, &'d TypeName>,
    nodes: usize,
}

impl<'d> Builder<'d> {
    fn layouts(&self) -> &'d Layouts {
        &self.derivation.rebuilt.layouts
    }

    fn area(&mut self, ty: &'d TypeName) -> Result<Area> {
        let layout = self.named("", ty, 0, MAX_FOLLOWED)?;
        let id = self.derivation.rebuilt.by_id(&ty.id);
        Ok(Area {
            name: ty.wit.clone(),
            owner: ty.owner.clone().unwrap_or_default(),
            kind: match (&ty.kind, &ty.def) {
                (TypeKind::Alias, def) => self.text(def),
                (kind, _) => kind.name().to_owned(),
            },
            docs: ty.docs.clone(),
            flat: id.and_then(|id| self.layouts().get(id).flat.clone()),
            layout,
        })
    }

    /// A type expression as WIT writes it.
    fn text(&self, ty: &Witx) -> String {
        match ty {
            Witx::Builtin(name) => (*name).to_owned(),
            Witx::Name(id) => self.types.get(id.as_str()).map_or_else(|| id.clone(), |ty| ty.wit.clone()),
            Witx::List(element) => format!("list<{}>", self.text(element)),
            Witx::Tuple(types) => {
                format!("tuple<{}>", types.iter().map(|ty| self.text(ty)).collect::<Vec<_>>().join(", "))
            }
            _ => "handle".to_owned(),
        }
    }

    fn ty(&self, ty: &Witx) -> Option<TyId> {
        self.derivation.rebuilt.known(ty)
    }

    fn node(&mut self, label: &str, ty: &'d Witx, offset: u32, follow: u32) -> Result<Node> {
        if let Witx::Name(id) = ty
            && let Some(named) = self.types.get(id.as_str()).copied()
        {
            return self.named(label, named, offset, follow);
        }
        let body = match ty {
            Witx::Builtin("string") => Body::Pointer { element: None },
            Witx::List(element) => self.pointer(element, follow)?,
            Witx::Tuple(types) => {
                self.fields(self.ty(ty), types.iter().enumerate().map(|(i, ty)| (i.to_string(), ty)), offset, follow)?
            }
            Witx::Handle => Body::Handle,
            _ => Body::Scalar,
        };
        let (size, align) = match (ty, self.ty(ty)) {
            (_, Some(id)) => (self.layouts().get(id).size, self.layouts().get(id).align),
            (_, None) => (4, 4),
        };
        self.finish(label, self.text(ty), offset, (size, align), body)
    }

    fn finish(&mut self, label: &str, ty: String, offset: u32, (size, align): (u32, u32), body: Body) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Diagnostic::new(Code::TooMuch, format!("more than {MAX_NODES} values to draw"))
                .hint("name one interface, type or function"));
        }
        Ok(Node { label: label.to_owned(), ty, offset, size, align, body })
    }

    fn named(&mut self, label: &str, ty: &'d TypeName, offset: u32, follow: u32) -> Result<Node> {
        let id = self.derivation.rebuilt.by_id(&ty.id);
        let body = match (&ty.kind, &ty.def) {
            (TypeKind::Alias, def) => self.node(label, def, offset, follow)?.body,
            (TypeKind::Record | TypeKind::Params, Witx::Record(fields)) => {
                self.fields(id, fields.iter().map(|(name, ty)| (name.clone(), ty)), offset, follow)?
            }
            (TypeKind::Tuple, Witx::Tuple(types)) => {
                self.fields(id, types.iter().enumerate().map(|(i, ty)| (i.to_string(), ty)), offset, follow)?
            }
            (_, Witx::Flags(_, names)) => Body::Flags { names: names.clone() },
            (TypeKind::Enum, Witx::Enum(_, names)) => {
                let cases = names.iter().map(|name| Case { name: name.clone(), value: None }).collect();
                self.variant(id, offset, cases)
            }
            (kind, Witx::Variant(_, cases)) => self.cases(id, kind, cases, offset, follow)?,
            (TypeKind::FixedList(element, length), _) => {
                Body::Array { length: *length, element: Box::new(self.node("", element, offset, follow)?) }
            }
            (TypeKind::Map, Witx::List(pair)) => self.pointer(pair, follow)?,
            (TypeKind::Bool | TypeKind::Char, _) => Body::Scalar,
            _ => Body::Handle,
        };
        let layout = id.map_or((4, 4), |id| (self.layouts().get(id).size, self.layouts().get(id).align));
        self.finish(label, ty.wit.clone(), offset, layout, body)
    }

    fn fields(
        &mut self,
        id: Option<TyId>,
        members: impl Iterator<Item = (String, &'d Witx)>,
        offset: u32,
        follow: u32,
    ) -> Result<Body> {
        let offsets: Vec<u32> = match id.map(|id| &self.layouts().get(id).kind) {
            Some(Kind::Record(fields)) => fields.iter().map(|f| f.offset).collect(),
            _ => Vec::new(),
        };
        let fields =
            members.zip(offsets).map(|((name, ty), at)| self.node(&name, ty, offset.saturating_add(at), follow));
        Ok(Body::Record { fields: fields.collect::<Result<_>>()? })
    }

    fn cases(
        &mut self,
        id: Option<TyId>,
        kind: &TypeKind,
        cases: &'d [(String, Option<Witx>)],
        offset: u32,
        follow: u32,
    ) -> Result<Body> {
        let payload = match id.map(|id| &self.layouts().get(id).kind) {
            Some(Kind::Variant(v)) => v.payload,
            _ => 0,
        };
        let mut out = Vec::new();
        for (i, (name, ty)) in cases.iter().enumerate() {
            let ty = match ty {
                Some(Witx::Tuple(padded)) if kind.padded() == Some(i) => padded.first(),
                ty => ty.as_ref(),
            };
            let value = ty.map(|ty| self.node(name, ty, offset.saturating_add(payload), follow)).transpose()?;
            let name = if matches!(kind, TypeKind::Result { .. }) && name == "err" { "error" } else { name };
            out.push(Case { name: name.to_owned(), value });
        }
        Ok(self.variant(id, offset, out))
    }

    fn variant(&self, id: Option<TyId>, offset: u32, cases: Vec<Case>) -> Body {
        let (tag, payload) = match id.map(|id| &self.layouts().get(id).kind) {
            Some(Kind::Variant(v)) => (v.tag.size(), v.payload),
            _ => (1, 0),
        };
        Body::Variant { tag, payload: offset.saturating_add(payload), cases }
    }

    fn pointer(&mut self, element: &'d Witx, follow: u32) -> Result<Body> {
        let element = match follow.checked_sub(1) {
            Some(follow) => Some(Box::new(self.node("", element, 0, follow)?)),
            None => None,
        };
        Ok(Body::Pointer { element })
    }

    fn call(&mut self, module: &'d Module, func: &'d Func, abi: &FuncAbi) -> Result<Call> {
        let FuncRole::Call { lowering, wit, params, result } = &func.role else {
            return Err(Diagnostic::new(Code::Internal, "an intrinsic is no call"));
        };
        let mut flattened = Vec::new();
        for param in params {
            self.flatten(&param.name, &param.ty, &mut flattened);
        }
        let more = flattened.len().saturating_sub(MAX_FLATTENED);
        flattened.truncate(MAX_FLATTENED);
        let params_spilled = abi.signature.as_ref().is_some_and(|s| s.params_spilled);
        let mut slots: Vec<Slot> = if params_spilled { Vec::new() } else { flattened.clone() };
        let mut areas = Vec::new();
        for param in &func.params {
            let (Witx::Pointer(to) | Witx::ConstPointer(to)) = &param.ty else { continue };
            slots.push(Slot { area: Some(param.name.clone()), ..slot(&param.name, Core::I32, "pointer") });
            areas.push(self.pointee(&param.name, to)?);
        }
        let is_spilled_export =
            *lowering == Lowering::Export && abi.signature.as_ref().is_some_and(|s| s.result_spilled);
        let returned = func.result.as_ref().zip(abi.core.results.first()).map(|(r, &core)| {
            let role = if is_spilled_export { "pointer" } else { "value" };
            Slot { area: is_spilled_export.then(|| r.name.clone()), ..slot(&r.name, core, role) }
        });
        if let (true, Some(result), Some(returned)) = (is_spilled_export, result, &returned) {
            areas.push(self.pointee(&returned.name, result)?);
        }
        Ok(Call {
            module: module.core_name.clone(),
            name: func.name.clone(),
            wit: wit.clone(),
            docs: func.docs.clone(),
            limit: lowering.max_params(),
            flattened,
            more,
            params_spilled,
            slots,
            result: returned,
            areas,
        })
    }

    /// What `args.ptr` or `ret.ptr` points to.
    fn pointee(&mut self, name: &str, ty: &'d Witx) -> Result<Area> {
        let layout = self.node("", ty, 0, MAX_FOLLOWED)?;
        let flat = self.ty(ty).and_then(|id| self.layouts().get(id).flat.clone());
        let kind = if name == "args.ptr" { "parameters".to_owned() } else { layout.ty.clone() };
        Ok(Area { name: name.to_owned(), owner: String::new(), kind, docs: None, flat, layout })
    }

    /// The flat slots of a value by name and role (*Flattening*), also of one that has too many.
    fn flatten(&self, name: &str, ty: &'d Witx, out: &mut Vec<Slot>) {
        // Beyond what is shown, only the number counts; a bound keeps that cheap.
        if out.len() > 8 * MAX_FLATTENED {
            return;
        }
        let named = match ty {
            Witx::Name(id) => self.types.get(id.as_str()).copied(),
            _ => None,
        };
        let pair = |out: &mut Vec<Slot>| {
            out.push(slot(&format!("{name}.ptr"), Core::I32, "pointer"));
            out.push(slot(&format!("{name}.len"), Core::I32, "length"));
        };
        let Some(named) = named else {
            return match ty {
                Witx::Builtin("string") | Witx::List(_) => pair(out),
                Witx::Builtin("u64" | "s64") => out.push(slot(name, Core::I64, "value")),
                Witx::Builtin("f32") => out.push(slot(name, Core::F32, "value")),
                Witx::Builtin("f64") => out.push(slot(name, Core::F64, "value")),
                Witx::Tuple(types) => {
                    types.iter().enumerate().for_each(|(i, ty)| self.flatten(&format!("{name}.{i}"), ty, out));
                }
                _ => out.push(slot(name, Core::I32, "value")),
            };
        };
        match (&named.kind, &named.def) {
            (TypeKind::Alias, def) => self.flatten(name, def, out),
            (TypeKind::Record | TypeKind::Params, Witx::Record(fields)) => {
                fields.iter().for_each(|(field, ty)| self.flatten(&format!("{name}.{field}"), ty, out));
            }
            (TypeKind::Tuple, Witx::Tuple(types)) => {
                types.iter().enumerate().for_each(|(i, ty)| self.flatten(&format!("{name}.{i}"), ty, out));
            }
            (TypeKind::FixedList(element, length), _) => {
                (0..*length).take(8 * MAX_FLATTENED).for_each(|i| self.flatten(&format!("{name}.{i}"), element, out));
            }
            (kind, Witx::Variant(_, cases)) => {
                out.push(slot(name, Core::I32, "discriminant"));
                self.join(name, kind, cases, out);
            }
            (TypeKind::Enum, _) => out.push(slot(name, Core::I32, "discriminant")),
            (TypeKind::Map, _) => pair(out),
            (TypeKind::Bool | TypeKind::Char | TypeKind::Flags, _) => out.push(slot(name, Core::I32, "value")),
            _ => out.push(slot(name, Core::I32, "handle")),
        }
    }

    /// The joined payloads of a variant. A slot keeps its role where all cases agree.
    fn join(&self, name: &str, kind: &TypeKind, cases: &'d [(String, Option<Witx>)], out: &mut Vec<Slot>) {
        let mut joined: Vec<Slot> = Vec::new();
        let is_shared = cases.iter().filter(|(_, ty)| ty.is_some()).count() > 1;
        for (i, (case, ty)) in cases.iter().enumerate() {
            let ty = match ty {
                Some(Witx::Tuple(padded)) if kind.padded() == Some(i) => padded.first(),
                ty => ty.as_ref(),
            };
            let Some(ty) = ty else { continue };
            let mut slots = Vec::new();
            self.flatten(&format!("{name}.{case}"), ty, &mut slots);
            for (i, mut slot) in slots.into_iter().enumerate() {
                if is_shared {
                    slot.name = format!("{name}.{}", i + 1);
                }
                match joined.get_mut(i) {
                    None => joined.push(slot),
                    Some(known) => {
                        known.core = known.core.join(slot.core);
                        if known.role != slot.role {
                            known.role = "value";
                        }
                    }
                }
            }
        }
        out.extend(joined);
    }
}

fn slot(name: &str, core: Core, role: &'static str) -> Slot {
    Slot { name: name.to_owned(), core, role, area: None }
}
