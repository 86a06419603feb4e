//! Core signatures of functions (*Flattening*, `flatten_functype`).

use super::{Core, CoreSignature, Layouts, TyId};

/// Which side of a call, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lowering {
    /// An import, called synchronously.
    Import,
    /// An import, called asynchronously: a status comes back, the result through memory.
    ImportAsync,
    /// An export that returns its result.
    Export,
    /// An export that returns a status, is called back, and gives its result to `task.return`.
    ExportCallback,
    /// An export that runs on a stack of its own and gives its result to `task.return`.
    ExportStackful,
}

impl Lowering {
    /// All of them.
    pub const ALL: [Lowering; 5] =
        [Lowering::Import, Lowering::ImportAsync, Lowering::Export, Lowering::ExportCallback, Lowering::ExportStackful];

    /// How many flat parameters there may be (`MAX_FLAT_PARAMS`, `MAX_FLAT_ASYNC_PARAMS`).
    pub fn max_params(self) -> usize {
        match self {
            Lowering::ImportAsync => 4,
            _ => Layouts::MAX_FLAT,
        }
    }

    /// Whether the guest provides it.
    pub fn is_export(self) -> bool {
        !matches!(self, Lowering::Import | Lowering::ImportAsync)
    }

    /// The word for it in `(@cabi …)` annotations and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Lowering::Import => "import",
            Lowering::ImportAsync => "import-async",
            Lowering::Export => "export",
            Lowering::ExportCallback => "export-callback",
            Lowering::ExportStackful => "export-stackful",
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

impl Layouts {
    /// The canonical signature of a function of these types.
    pub fn signature(&self, params: Vec<TyId>, result: Option<TyId>, lowering: Lowering) -> Signature {
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
            // The result goes to `task.return`.
            (Lowering::ExportCallback, _) => (vec![Core::I32], false),
            (Lowering::ExportStackful, _) => (Vec::new(), false),
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
        let (needs_memory, needs_realloc) = match lowering {
            Lowering::Import | Lowering::ImportAsync => {
                (params_spilled || result_spilled || param_allocates || result_allocates, result_allocates)
            }
            Lowering::Export => {
                let needs_realloc = param_allocates || params_spilled;
                (needs_realloc || result_spilled || result_allocates, needs_realloc)
            }
            Lowering::ExportCallback | Lowering::ExportStackful => {
                (param_allocates || params_spilled, param_allocates || params_spilled)
            }
        };
        Signature {
            core: CoreSignature::new(slots, results),
            params_spilled,
            result_spilled,
            params,
            result,
            needs_memory,
            needs_realloc,
        }
    }
}
