//! The core functions of a world as WITX functions: flat parameters, and beside them what the WIT says.

use super::model::{Func, FuncRole, Param, WitParam, Witx};
use super::text::{docs, function_text};
use super::types::{Types, stability};
use crate::abi::{Core, Kind, Lowering, Resolve, ResourceOp, Role, Signature, WorldFunction};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashSet;
use wit_parser::{Function, Handle, InterfaceId, Type, TypeDefKind, TypeId, TypeOwner};

/// Shapes functions over the types of a document.
pub(super) struct Shaper<'s, 'r> {
    pub(super) resolve: &'r Resolve,
    pub(super) types: &'s mut Types<'r>,
    /// The interfaces that the world exports.
    pub(super) exported: &'s HashSet<InterfaceId>,
}

impl<'r> Shaper<'_, 'r> {
    /// The WITX function. Fails where a type has no WITX.
    pub(super) fn func(&mut self, function: &WorldFunction<'r>) -> Result<Func> {
        let mut slots = Slots::default();
        let role = match &function.role {
            Role::Call { function: wit, signature, lowering } => {
                self.call(wit, signature, *lowering, function, &mut slots)?
            }
            Role::TaskReturn { function: wit, signature } => {
                let result = wit.result.as_ref().map(|ty| self.types.in_memory(ty)).transpose()?;
                match (&wit.result, &result) {
                    (Some(_), Some(area)) if signature.params_spilled => {
                        slots.param("ret.ptr", Witx::ConstPointer(area.clone().into()));
                    }
                    (Some(ty), _) => drop(self.flat("ret", ty, false, &mut slots)?),
                    _ => {}
                }
                FuncRole::TaskReturn { result }
            }
            Role::PostReturn(_) => {
                slots.params.extend(function.core.params.iter().map(|&core| param("ret", scalar(core))));
                FuncRole::PostReturn
            }
            Role::Callback(_) => {
                slots.words(&["event", "index", "payload"]);
                slots.result("status", Core::I32);
                FuncRole::Callback
            }
            Role::Resource(op, ty) => {
                let resource = self.types.defined(*ty)?;
                let handle = matches!(op, ResourceOp::Drop | ResourceOp::Rep);
                slots.param("self", if handle { resource.clone() } else { Witx::Builtin("u32") });
                match op {
                    ResourceOp::New => slots.result = Some(param("ret", resource.clone())),
                    ResourceOp::Rep => slots.result("ret", Core::I32),
                    ResourceOp::Drop | ResourceOp::Dtor => {}
                }
                FuncRole::Resource(*op, resource)
            }
            Role::Channel { op, ty } => self.channel(op, *ty, &function.core.params, &mut slots)?,
            Role::BuiltIn(names) => {
                slots.words(names);
                if !function.core.results.is_empty() {
                    slots.result("ret", Core::I32);
                }
                FuncRole::BuiltIn
            }
            Role::Realloc => {
                slots.words(&["old.ptr", "old.size", "align", "new.size"]);
                slots.result("ret.ptr", Core::I32);
                FuncRole::Realloc
            }
            Role::Initialize => FuncRole::Initialize,
        };
        let docs = function.call().and_then(|(wit, _)| docs(wit.docs.contents.as_deref()?));
        Ok(Func {
            name: function.name.name.clone(),
            docs,
            role,
            params: slots.params,
            result: slots.result,
            needs: function.needs,
            stability: stability(function.stability(self.resolve)),
        })
    }

    fn call(
        &mut self,
        wit: &'r Function,
        signature: &Signature,
        lowering: Lowering,
        function: &WorldFunction<'r>,
        slots: &mut Slots,
    ) -> Result<FuncRole> {
        let mut params = Vec::new();
        for param in &wit.params {
            let rep = lowering.is_export() && self.is_rep(&param.ty);
            let ty = self.types.in_memory(&param.ty)?;
            let taken = match signature.params_spilled {
                true => None,
                false => Some(self.flat(&param.name, &param.ty, rep, slots)?),
            };
            params.push(WitParam { name: param.name.clone(), ty, slots: taken, rep });
        }
        if signature.params_spilled {
            let area = self.params_record(wit, signature, function.interface, &params)?;
            slots.param("args.ptr", Witx::ConstPointer(area.into()));
        }
        let result = wit.result.as_ref().map(|ty| self.types.in_memory(ty)).transpose()?;
        match (&wit.result, &result, lowering) {
            (Some(_), Some(area), Lowering::Import | Lowering::ImportAsync) if signature.result_spilled => {
                slots.param("ret.ptr", Witx::Pointer(area.clone().into()));
            }
            (Some(_), Some(_), Lowering::Export) if signature.result_spilled => slots.result("ret.ptr", Core::I32),
            (Some(ty), ..) if matches!(lowering, Lowering::Import | Lowering::Export) => {
                if let Some(&core) = signature.core.results.first() {
                    slots.result = Some(param("ret", self.handle_or(ty, core)?));
                }
            }
            _ => {}
        }
        if matches!(lowering, Lowering::ImportAsync | Lowering::ExportCallback) {
            slots.result("status", Core::I32);
        }
        slots.distinct();
        let wit = function_text(wit, |ty| self.types.text(ty));
        Ok(FuncRole::Call { lowering, wit, params, result })
    }

    /// Pushes the flat slots of a value and says how many they are.
    fn flat(&mut self, name: &str, ty: &Type, rep: bool, slots: &mut Slots) -> Result<usize> {
        let id = self.types.table.ty(ty)?;
        let laid_out = self.types.table.get(id);
        // A top-level string or list may stay typed: witx lowers it to the same pointer and length.
        if matches!(laid_out.kind, Kind::String | Kind::List(_)) {
            slots.param(name, self.types.in_memory(ty)?);
            return Ok(2);
        }
        let flat = laid_out.flat.clone().unwrap_or_default();
        match flat.as_slice() {
            [core] if rep => slots.param(name, scalar(*core)),
            [core] => slots.param(name, self.handle_or(ty, *core)?),
            many => {
                let numbered = many.iter().enumerate().map(|(i, &core)| param(&format!("{name}.{i}"), scalar(core)));
                slots.params.extend(numbered);
            }
        }
        Ok(flat.len())
    }

    /// A flat slot: handles keep their type, everything else is the unsigned core type, because typed consumers check
    /// what canonical lifting ignores.
    fn handle_or(&mut self, ty: &Type, core: Core) -> Result<Witx> {
        match self.handle(ty) {
            Some((resource, _)) => self.types.defined(resource),
            None => Ok(scalar(core)),
        }
    }

    /// The resource of an `own` or `borrow`, and whether it is borrowed.
    fn handle(&self, ty: &Type) -> Option<(TypeId, bool)> {
        let mut ty = *ty;
        while let Type::Id(id) = ty {
            match &self.resolve.types[id].kind {
                TypeDefKind::Type(origin) => ty = *origin,
                TypeDefKind::Handle(Handle::Own(resource)) => return Some((*resource, false)),
                TypeDefKind::Handle(Handle::Borrow(resource)) => return Some((*resource, true)),
                _ => return None,
            }
        }
        None
    }

    /// A borrow of a resource that this world exports reaches the guest as its representation (*Lowering*,
    /// `lower_borrow`).
    fn is_rep(&self, ty: &Type) -> bool {
        let Some((mut resource, true)) = self.handle(ty) else { return false };
        while let TypeDefKind::Type(Type::Id(origin)) = &self.resolve.types[resource].kind {
            resource = *origin;
        }
        matches!(self.resolve.types[resource].owner, TypeOwner::Interface(id) if self.exported.contains(&id))
    }

    fn params_record(
        &mut self,
        wit: &Function,
        signature: &Signature,
        interface: Option<InterfaceId>,
        params: &[WitParam],
    ) -> Result<Witx> {
        let owner = interface.map_or_else(|| "root".to_owned(), |id| self.types.ids.interface(id).to_owned());
        let name = wit.name.replace(['[', ']'], "#");
        let id = format!("{owner}.{}.params", name.trim_start_matches('#'));
        let fields = params.iter().map(|p| (p.name.clone(), p.ty.clone())).collect();
        let (mut size, mut align) = (0u64, 1u32);
        for &id in &signature.params {
            let ty = self.types.table.get(id);
            size = size.next_multiple_of(u64::from(ty.align)) + u64::from(ty.size);
            align = align.max(ty.align);
        }
        let size = u32::try_from(size.next_multiple_of(u64::from(align)))
            .map_err(|_| Diagnostic::new(Code::LayoutOverflow, "parameters of more than 4 GiB"))?;
        self.types.params(&id, format!("parameters of {}", wit.name), fields, (size, align))
    }

    /// `stream.read` and its kin: an end, and where values are moved, a buffer.
    fn channel(&mut self, op: &str, ty: TypeId, params: &[Core], slots: &mut Slots) -> Result<FuncRole> {
        let channel = self.types.in_memory(&Type::Id(ty))?;
        let payload = match &self.resolve.types[ty].kind {
            TypeDefKind::Stream(payload) | TypeDefKind::Future(payload) => *payload,
            _ => None,
        };
        if !params.is_empty() {
            slots.param("self", channel.clone());
        }
        if params.len() > 1 {
            let buffer = match payload {
                Some(payload) => {
                    let payload = Box::new(self.types.in_memory(&payload)?);
                    if op.ends_with("read") { Witx::Pointer(payload) } else { Witx::ConstPointer(payload) }
                }
                None => Witx::Builtin("u32"),
            };
            slots.param("buffer.ptr", buffer);
        }
        if params.len() > 2 {
            slots.param("buffer.len", Witx::Builtin("u32"));
        }
        match op {
            "new" => slots.result("ret", Core::I64),
            "drop-readable" | "drop-writable" => {}
            _ => slots.result("ret", Core::I32),
        }
        Ok(FuncRole::Channel(op.to_owned(), channel))
    }
}

/// Flat parameters and the result while they are collected.
#[derive(Default)]
struct Slots {
    params: Vec<Param>,
    result: Option<Param>,
}

impl Slots {
    fn param(&mut self, name: &str, ty: Witx) {
        self.params.push(param(name, ty));
    }

    fn words(&mut self, names: &[&str]) {
        self.params.extend(names.iter().map(|name| param(name, Witx::Builtin("u32"))));
    }

    fn result(&mut self, name: &str, core: Core) {
        self.result = Some(param(name, scalar(core)));
    }

    /// Parameters and the result share one scope; WIT lets a parameter be called `ret`.
    fn distinct(&mut self) {
        if let Some(result) = &mut self.result
            && self.params.iter().any(|p| p.name == result.name)
        {
            result.name.push_str(".value");
        }
    }
}

fn param(name: &str, ty: Witx) -> Param {
    Param { name: name.to_owned(), ty }
}

fn scalar(core: Core) -> Witx {
    Witx::Builtin(match core {
        Core::I32 => "u32",
        Core::I64 => "u64",
        Core::F32 => "f32",
        Core::F64 => "f64",
    })
}
