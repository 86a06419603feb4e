//! What a derived function must be declared as, beyond its core signature: which type each slot names, what its pointers
//! point to, and what it needs of the guest.

use super::model::{Func, FuncRole, TypeKind, TypeName, WitParam, Witx};
use super::print::text;
use super::rebuild::{Rebuilt, lie};
use crate::abi::{Core, CoreSignature, Kind, Lowering, Needs, Resource, ResourceOp, Signature, built_in, channel};
use crate::diagnostic::Result;
use std::collections::HashMap;

/// The typenames of a document by id.
pub(super) type Defs<'d> = HashMap<&'d str, &'d TypeName>;

/// What one WITX parameter or result must be.
enum Slot<'f> {
    Scalar(Core),
    Typed(&'f Witx),
    Handle(Resource),
    /// A pointer to this, which is written.
    Out(&'f Witx),
    /// A pointer to this, which is read.
    In(&'f Witx),
    /// A pointer to a record of these.
    Params(&'f [WitParam]),
}

impl Rebuilt {
    /// The core signature and the needs of a function that is no call; the signature of `task.return` is its canonical one.
    /// None where the type or name has no such operation; a post-return follows from its export.
    pub(super) fn intrinsic(
        &mut self,
        func: &Func,
        canonical: Option<&Signature>,
    ) -> Result<Option<(CoreSignature, Needs)>> {
        let words = |n: usize, results: &[Core]| CoreSignature::new(vec![Core::I32; n], results);
        let (none, memory) = (Needs::default(), Needs { memory: true, realloc: false });
        Ok(match &func.role {
            FuncRole::Call { .. } | FuncRole::PostReturn => None,
            FuncRole::TaskReturn { .. } => {
                canonical.map(|c| (c.core.clone(), Needs { memory: c.needs_memory, realloc: false }))
            }
            FuncRole::Callback => Some((words(3, &[Core::I32]), none)),
            FuncRole::Resource(ResourceOp::Drop | ResourceOp::Dtor, _) => Some((words(1, &[]), none)),
            FuncRole::Resource(ResourceOp::New | ResourceOp::Rep, _) => Some((words(1, &[Core::I32]), none)),
            FuncRole::Realloc => Some((words(4, &[Core::I32]), memory)),
            FuncRole::Initialize => Some((words(0, &[]), none)),
            FuncRole::BuiltIn => built_in(&func.name),
            FuncRole::Channel(op, ty) => {
                let id = self.ty(ty)?;
                channel(&self.layouts, op, id)
            }
        })
    }

    /// Compares the declared parameters and result with those that follow from the WIT's.
    pub(super) fn declared(&self, func: &Func, canonical: Option<&Signature>, defs: &Defs<'_>) -> Result<()> {
        let (params, result) = self.wanted(func, canonical, defs);
        if params.len() != func.params.len() || result.is_some() != func.result.is_some() {
            return Err(lie(&func.name, "number of slots", params.len(), func.params.len()));
        }
        let pairs = params.iter().zip(&func.params).chain(result.iter().zip(&func.result));
        for (slot, found) in pairs {
            if !self.fits(slot, &found.ty, defs) {
                return Err(lie(
                    &func.name,
                    "declaration",
                    slot.text(),
                    format!("${} {}", found.name, text(&found.ty)),
                ));
            }
        }
        Ok(())
    }

    fn wanted<'f>(
        &self,
        func: &'f Func,
        canonical: Option<&Signature>,
        defs: &Defs<'f>,
    ) -> (Vec<Slot<'f>>, Option<Slot<'f>>) {
        let mut slots = Vec::new();
        let word = || Slot::Scalar(Core::I32);
        let words = |n: usize| (0..n).map(|_| word()).collect::<Vec<_>>();
        let result = match (&func.role, canonical) {
            (FuncRole::Call { lowering, params, result, .. }, Some(canonical)) => {
                if canonical.params_spilled {
                    slots.push(Slot::Params(params));
                } else {
                    params.iter().zip(&canonical.params).for_each(|(p, &id)| self.value(&p.ty, id, p.rep, &mut slots));
                }
                let spilled = canonical.result_spilled;
                match (result, canonical.result, lowering) {
                    (_, _, Lowering::ExportCallback) => Some(word()),
                    (_, _, Lowering::ExportStackful) => None,
                    (Some(ty), _, Lowering::ImportAsync) => {
                        slots.push(Slot::Out(ty));
                        Some(word())
                    }
                    (None, _, Lowering::ImportAsync) => Some(word()),
                    (Some(ty), _, Lowering::Import) if spilled => {
                        slots.push(Slot::Out(ty));
                        None
                    }
                    (_, _, Lowering::Export) if spilled => Some(word()),
                    (Some(ty), Some(id), _) => {
                        let mut one = Vec::new();
                        self.value(ty, id, false, &mut one);
                        one.pop()
                    }
                    _ => None,
                }
            }
            (FuncRole::TaskReturn { result: Some(ty) }, Some(canonical)) => {
                match canonical.params.first() {
                    _ if canonical.params_spilled => slots.push(Slot::In(ty)),
                    Some(&id) => self.value(ty, id, false, &mut slots),
                    None => {}
                }
                None
            }
            (FuncRole::Resource(op, resource), _) => match op {
                ResourceOp::Drop | ResourceOp::Rep => {
                    slots.push(Slot::Typed(resource));
                    (*op == ResourceOp::Rep).then(word)
                }
                ResourceOp::New => {
                    slots.push(word());
                    Some(Slot::Typed(resource))
                }
                ResourceOp::Dtor => {
                    slots.push(word());
                    None
                }
            },
            (FuncRole::Channel(op, ty), _) => {
                let payload = match ty {
                    Witx::Name(id) => defs.get(id.as_str()).map(|def| &def.kind),
                    _ => None,
                };
                slots.extend((!func.params.is_empty()).then_some(Slot::Typed(ty)));
                if func.params.len() > 1 {
                    slots.push(match payload {
                        Some(TypeKind::Stream(Some(ty)) | TypeKind::Future(Some(ty))) if op.ends_with("read") => {
                            Slot::Out(ty)
                        }
                        Some(TypeKind::Stream(Some(ty)) | TypeKind::Future(Some(ty))) => Slot::In(ty),
                        _ => word(),
                    });
                }
                slots.extend((func.params.len() > 2).then(word));
                func.result.as_ref().map(|_| if op == "new" { Slot::Scalar(Core::I64) } else { word() })
            }
            // Words all of them, as many as the core signature has.
            _ => {
                slots = words(func.params.len());
                if let (FuncRole::PostReturn, [one]) = (&func.role, func.params.as_slice()) {
                    slots = vec![Slot::Scalar(core_of(&one.ty).unwrap_or(Core::I32))];
                }
                func.result.as_ref().map(|_| word())
            }
        };
        (slots, result)
    }

    /// The slots of a value.
    fn value<'f>(&self, ty: &'f Witx, id: crate::abi::TyId, rep: bool, slots: &mut Vec<Slot<'f>>) {
        let laid_out = self.layouts.get(id);
        match (&laid_out.kind, &laid_out.flat) {
            (Kind::String | Kind::List(_), _) => slots.push(Slot::Typed(ty)),
            (Kind::Own(resource) | Kind::Borrow(resource), _) if !rep => slots.push(Slot::Handle(*resource)),
            (_, flat) => slots.extend(flat.iter().flatten().map(|&core| Slot::Scalar(core))),
        }
    }

    fn fits(&self, slot: &Slot<'_>, found: &Witx, defs: &Defs<'_>) -> bool {
        match (slot, found) {
            (Slot::Scalar(core), found) => core_of(found) == Some(*core),
            (Slot::Typed(ty), found) => *ty == found,
            (Slot::Handle(resource), Witx::Name(id)) => self.is_resource(id, *resource),
            (Slot::Out(ty), Witx::Pointer(found)) | (Slot::In(ty), Witx::ConstPointer(found)) => **found == **ty,
            (Slot::Params(params), Witx::ConstPointer(found)) => {
                let Witx::Name(id) = &**found else { return false };
                let Some(TypeName { kind: TypeKind::Params, def: Witx::Record(fields), .. }) = defs.get(id.as_str())
                else {
                    return false;
                };
                fields.iter().map(|(name, ty)| (name, ty)).eq(params.iter().map(|p| (&p.name, &p.ty)))
            }
            _ => false,
        }
    }
}

impl Slot<'_> {
    fn text(&self) -> String {
        match self {
            Slot::Scalar(core) => core.name().replace('i', "u"),
            Slot::Typed(ty) => text(ty),
            Slot::Handle(_) => "its resource".to_owned(),
            Slot::Out(ty) => format!("(@witx pointer {})", text(ty)),
            Slot::In(ty) => format!("(@witx const_pointer {})", text(ty)),
            Slot::Params(_) => "a pointer to a record of its parameters".to_owned(),
        }
    }
}

/// The core type of a scalar slot, which are declared as unsigned.
fn core_of(ty: &Witx) -> Option<Core> {
    match ty {
        Witx::Builtin("u32") => Some(Core::I32),
        Witx::Builtin("u64") => Some(Core::I64),
        Witx::Builtin("f32") => Some(Core::F32),
        Witx::Builtin("f64") => Some(Core::F64),
        _ => None,
    }
}
