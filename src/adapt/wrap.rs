//! Module and adapter become a component.

use super::choose::Adapter;
use super::survey::{PREVIEW1, Survey};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use wasmparser::{Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

/// A wrapped module.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// The component, validated.
    pub component: Vec<u8>,
    /// WASI interfaces (and others) that it imports, sorted.
    pub imports: Vec<String>,
    /// Interfaces and functions that it exports, sorted.
    pub exports: Vec<String>,
}

/// Wraps a surveyed module with the adapter that was chosen for it.
pub fn wrap(module: &[u8], survey: &Survey, adapter: Option<&Adapter>) -> Result<Adapted> {
    let encode = || {
        let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
        if let Some(adapter) = adapter {
            encoder = encoder.adapter(PREVIEW1, adapter.bytes())?;
        }
        encoder.encode()
    };
    let component = quietly("the component encoder", encode)?.map_err(|e| {
        let mut error = Diagnostic::new(Code::CannotAdapt, "the encoder refuses the module").cause(&e);
        let reason = e.root_cause().to_string();
        error = error.fact("reason", reason);
        if let Some(adapter) = adapter {
            error = error.fact("adapter", format!("{}, {}", adapter.name(), adapter.version()));
        }
        error.hint(format!("`-v` shows the whole reason ({})", survey.describe()))
    })?;
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .map_err(|e| Diagnostic::new(Code::CannotAdapt, "the wrapped component does not validate").cause(e))?;
    let decoded = quietly("decoding the wrapped component", || wit_component::decode(&component))?
        .map_err(|e| Diagnostic::new(Code::TypeInformation, "the wrapped component cannot be decoded").cause(e))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Diagnostic::new(Code::CannotAdapt, "wrapping gave no component"));
    };
    let world = &resolve.worlds[world];
    let names = |items: &indexmap::IndexMap<wit_parser::WorldKey, WorldItem>| {
        let mut names: Vec<String> = items.keys().map(|key| resolve.name_world_key(key)).collect();
        names.sort();
        names
    };
    Ok(Adapted { imports: names(&world.imports), exports: names(&world.exports), component })
}
