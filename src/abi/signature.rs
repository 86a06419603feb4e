//! Core signatures of functions (*Flattening*, `flatten_functype`).

use super::{Core, CoreSignature, Table, TyId};
use crate::diagnostic::Result;
use wit_parser::Function;

/// Which side of a call, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lowering {
    /// An import, called synchronously.
    Import,
    /// An import, called asynchronously: a status comes back, the result through memory.
    ImportAsync,
    /// An export that returns its result.
    Export,
}

impl Lowering {
    fn max_params(self) -> usize {
        match self {
            Lowering::Import | Lowering::Export => Table::MAX_FLAT,
            Lowering::ImportAsync => 4,
        }
    }
}

/// The core form of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What the engine sees.
    pub core: CoreSignature,
    /// The slots are one pointer to a record of the parameters.
    pub params_spilled: bool,
    /// The result goes through a pointer: a last parameter of an import, the result of an export.
    pub result_spilled: bool,
    /// Types of the parameters, in order.
    pub params: Vec<TyId>,
    /// Type of the result.
    pub result: Option<TyId>,
    /// Strings, lists or spilled values pass, so both sides need the memory.
    pub needs_memory: bool,
    /// The host allocates in the guest's memory: for the results of an import, for the parameters of an export.
    pub needs_realloc: bool,
}

impl Table<'_> {
    /// The canonical signature of `function`. Fails where a type has no layout.
    pub fn signature(&mut self, function: &Function, lowering: Lowering) -> Result<Signature> {
        let params = function.params.iter().map(|p| self.ty(&p.ty)).collect::<Result<Vec<_>>>()?;
        let result = function.result.as_ref().map(|ty| self.ty(ty)).transpose()?;

        let mut slots = Vec::new();
        let mut params_spilled = false;
        for &id in &params {
            match &self.get(id).flat {
                Some(flat) => slots.extend_from_slice(flat),
                None => params_spilled = true,
            }
            params_spilled |= slots.len() > lowering.max_params();
        }
        if params_spilled {
            slots = vec![Core::I32];
        }

        let flat_result = result.map(|id| self.get(id).flat.clone());
        let (results, result_spilled) = match (lowering, flat_result) {
            (Lowering::ImportAsync, result) => {
                slots.extend(result.is_some().then_some(Core::I32));
                (vec![Core::I32], result.is_some())
            }
            (_, None) => (Vec::new(), false),
            (_, Some(Some(flat))) if flat.len() <= 1 => (flat, false),
            (Lowering::Import, _) => {
                slots.push(Core::I32);
                (Vec::new(), true)
            }
            (Lowering::Export, _) => (vec![Core::I32], true),
        };

        let param_allocates = params.iter().any(|&id| self.get(id).allocates);
        let result_allocates = result.is_some_and(|id| self.get(id).allocates);
        let needs_realloc = match lowering {
            Lowering::Import | Lowering::ImportAsync => result_allocates,
            Lowering::Export => param_allocates || params_spilled,
        };
        let needs_memory = params_spilled || result_spilled || param_allocates || result_allocates;
        Ok(Signature {
            core: CoreSignature::new(slots, results),
            params_spilled,
            result_spilled,
            params,
            result,
            needs_memory,
            needs_realloc,
        })
    }
}
