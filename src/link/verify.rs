//! Proof of the output: it validates, and it wraps into a component with the same world.

use super::ir::Component;
use super::report::Floor;
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use wasmparser::{Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};
use wit_parser::{Resolve, WorldId};

/// Validates under the smallest feature set that fits, and names it.
pub(super) fn validate(wasm: &[u8]) -> Result<Floor> {
    let mut last = None;
    for floor in Floor::ALL {
        match Validator::new_with_features(floor.features()).validate_all(wasm) {
            Ok(_) => return Ok(floor),
            Err(e) => last = Some(e),
        }
    }
    let mut error = Diagnostic::new(Code::OutputInvalid, "the linked module does not validate");
    if let Some(cause) = last {
        error = error.cause(cause);
    }
    Err(error)
}

/// Wraps a linked module into a component again.
pub fn rewrap(wasm: &[u8]) -> Result<Vec<u8>> {
    quietly("wrapping the linked module", || {
        // Exactly as linked: no import may be merged with another version of its interface.
        ComponentEncoder::default().merge_imports_based_on_semver(false).validate(true).module(wasm)?.encode()
    })?
    .map_err(|e| Diagnostic::new(Code::VerifyFailed, "the linked module does not wrap into a component").cause(e))
}

/// Re-wraps and compares worlds as WIT text.
pub(super) fn same_world(component: &Component<'_>, wasm: &[u8]) -> Result<()> {
    let wrapped = rewrap(wasm)?;
    let decoded = quietly("decoding the re-wrapped component", || wit_component::decode(&wrapped))?
        .map_err(|e| Diagnostic::new(Code::VerifyFailed, "the re-wrapped component cannot be decoded").cause(e))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Diagnostic::new(Code::VerifyFailed, "the re-wrapped module is no component"));
    };
    let want = world_text(&component.resolve, component.world)?;
    let have = world_text(&resolve, world)?;
    if want == have {
        return Ok(());
    }
    let missing: Vec<&str> = want.iter().filter(|l| !have.contains(l)).map(String::as_str).collect();
    let extra: Vec<&str> = have.iter().filter(|l| !want.contains(l)).map(String::as_str).collect();
    Err(Diagnostic::new(Code::VerifyFailed, "the linked module has another world than the component")
        .fact("missing", missing.join("; "))
        .fact("extra", extra.join("; ")))
}

/// The lines of a world and of all packages that it uses, sorted: order carries no meaning. `use` defines nothing, and
/// the encoder may carry one more of them than a component needs.
fn world_text(resolve: &Resolve, world: WorldId) -> Result<Vec<String>> {
    let package = resolve.worlds[world]
        .package
        .ok_or_else(|| Diagnostic::new(Code::VerifyFailed, "a world without a package"))?;
    let others: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer
        .print(resolve, package, &others)
        .map_err(|e| Diagnostic::new(Code::VerifyFailed, "a world cannot be printed").cause(e))?;
    let mut lines: Vec<String> = printer.output.to_string().lines().map(|l| l.trim().to_owned()).collect();
    lines.retain(|line| !line.starts_with("use "));
    lines.sort();
    Ok(lines)
}

impl Floor {
    /// The validator's features of this profile.
    pub fn features(self) -> WasmFeatures {
        match self {
            Floor::Mvp => WasmFeatures::WASM1.union(WasmFeatures::MUTABLE_GLOBAL),
            Floor::Lime1 => WasmFeatures::LIME1,
            Floor::Wasm2 => WasmFeatures::WASM2,
            Floor::Wasm3 => WasmFeatures::WASM3,
        }
    }
}
