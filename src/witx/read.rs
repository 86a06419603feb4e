//! Functions of a WITX document, as the `witx` crate reads it.

use crate::abi::{Core, CoreSignature, Direction, ImportName};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use witx::{InterfaceFunc, WasmType};

/// A function that a WITX document declares.
#[derive(Debug, Clone)]
pub struct WitxFunction {
    /// Import, or export where it stands in the module `exports`.
    pub direction: Direction,
    /// Core module and field; the module of an export is empty.
    pub name: ImportName,
    /// Its core signature.
    pub core: CoreSignature,
}

/// Lists all functions. Fails with [`Code::WitxParse`] on functions whose signature the format leaves undefined.
pub fn read(document: &witx::Document) -> Result<Vec<WitxFunction>> {
    let mut out = Vec::new();
    for module in document.modules() {
        let id = module.name.as_str();
        let (direction, module_name) = match (id, id.strip_prefix("export:")) {
            ("exports", _) => (Direction::Export, String::new()),
            (_, Some(rest)) => (Direction::Import, format!("[export]{rest}")),
            (id, None) => (Direction::Import, id.to_owned()),
        };
        for func in module.funcs() {
            let name = ImportName { module: module_name.clone(), name: func.name.as_str().to_owned() };
            let core = signature(&func)
                .ok_or_else(|| Diagnostic::new(Code::WitxParse, format!("`{name}` has no defined core signature")))?;
            out.push(WitxFunction { direction, name, core });
        }
    }
    Ok(out)
}

/// The signature by the rules of WITX 0.9. That crate panics where it has none, for instance on several results.
pub(super) fn signature(func: &InterfaceFunc) -> Option<CoreSignature> {
    let (params, results) = quietly("the `witx` crate", || func.wasm_signature()).ok()?;
    let cores = |types: Vec<WasmType>| types.into_iter().map(core).collect::<Vec<_>>();
    Some(CoreSignature::new(cores(params), cores(results)))
}

fn core(ty: WasmType) -> Core {
    match ty {
        WasmType::I32 => Core::I32,
        WasmType::I64 => Core::I64,
        WasmType::F32 => Core::F32,
        WasmType::F64 => Core::F64,
    }
}
