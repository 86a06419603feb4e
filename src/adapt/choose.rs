//! Which adapter fits a module, or why none does.

use super::survey::{Item, PREVIEW1, Survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use wasi_preview1_component_adapter_provider as provider;

/// The version of the published crate that carries the adapters.
const ADAPTER_VERSION: &str = "48.0.8";

/// A preview1 adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// For programs: exports `wasi:cli/run`, calls `_start`.
    Command,
    /// For libraries.
    Reactor,
    /// For HTTP handlers; imports nothing that a proxy does not have.
    Proxy,
    /// One of the user's own.
    Own(Vec<u8>),
}

impl Adapter {
    /// Its name as typed and printed.
    pub fn name(&self) -> &'static str {
        match self {
            Adapter::Command => "command",
            Adapter::Reactor => "reactor",
            Adapter::Proxy => "proxy",
            Adapter::Own(_) => "own",
        }
    }

    /// The built-in adapter of this name.
    pub fn named(name: &str) -> Option<Adapter> {
        match name {
            "command" => Some(Adapter::Command),
            "reactor" => Some(Adapter::Reactor),
            "proxy" => Some(Adapter::Proxy),
            _ => None,
        }
    }

    /// Where it comes from.
    pub fn version(&self) -> String {
        match self {
            Adapter::Own(_) => "from a file".to_owned(),
            _ => format!("wasi-preview1-component-adapter-provider {ADAPTER_VERSION}"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Adapter::Command => provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            Adapter::Reactor => provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            Adapter::Proxy => provider::WASI_SNAPSHOT_PREVIEW1_PROXY_ADAPTER,
            Adapter::Own(bytes) => bytes,
        }
    }
}

/// Picks the adapter by what the module imports and exports; none where it needs none but carries a component type.
/// `wanted` is the user's own choice, which must fit. Refusals have codes of the 02 group.
pub fn choose(survey: &Survey, wanted: Option<Adapter>) -> Result<Option<Adapter>> {
    recognise(survey)?;
    let has_start = survey.exports.contains_key("_start");
    if survey.imported_from(PREVIEW1).next().is_none() && wanted.is_none() {
        if survey.has_component_type {
            return Ok(None);
        }
        return Err(Diagnostic::new(Code::NothingToAdapt, "the module imports nothing from preview1")
            .hint("bind it to a WIT world (`wit-bindgen`) if it should be a component"));
    }
    match wanted {
        Some(Adapter::Command) if !has_start => Err(Diagnostic::new(
            Code::WrongAdapter,
            "the command adapter calls `_start`, which the module does not export",
        )
        .hint("`--adapter reactor`, or leave `--adapter` away")),
        Some(adapter @ (Adapter::Reactor | Adapter::Proxy)) if has_start => Err(Diagnostic::new(
            Code::WrongAdapter,
            format!(
                "the {} adapter never calls `_start`, which the module exports: the component would export nothing",
                adapter.name()
            ),
        )
        .hint("`--adapter command`, or leave `--adapter` away")),
        Some(Adapter::Own(bytes)) => {
            let own = super::survey(&bytes).map_err(|e| e.fact("in", "the adapter"))?;
            if own.exports.contains_key("fd_write") || own.exports.contains_key("proc_exit") {
                return Ok(Some(Adapter::Own(bytes)));
            }
            Err(Diagnostic::new(Code::NotAnAdapter, "the adapter exports no preview1 function")
                .fact("exports", list(own.exports.keys().map(String::as_str))))
        }
        Some(adapter) => Ok(Some(adapter)),
        None if has_start => Ok(Some(Adapter::Command)),
        None if survey.exports.keys().any(|e| e.starts_with("wasi:http/incoming-handler@")) => Ok(Some(Adapter::Proxy)),
        None => Ok(Some(Adapter::Reactor)),
    }
}

/// Modules of other worlds, each answered with what would help.
fn recognise(survey: &Survey) -> Result<()> {
    let imports = |module: &str| survey.imported_from(module).next().is_some();
    let shared = survey.imports.iter().any(|(_, item)| matches!(item, Item::Memory { shared: true }));
    if imports("wasi") && survey.imported_from("wasi").any(|n| n == "thread-spawn") || shared {
        return Err(Diagnostic::new(Code::Threads, "the module uses threads")
            .hint("rebuild for `wasm32-wasip1` instead of `wasm32-wasip1-threads`"));
    }
    if imports("wasi_unstable") {
        return Err(Diagnostic::new(
            Code::SnapshotZero,
            "the module imports from `wasi_unstable`, preview1's snapshot 0",
        )
        .fact("needs", list(survey.imported_from("wasi_unstable")))
        .hint("rebuild it with a toolchain that targets `wasi_snapshot_preview1`"));
    }
    if survey.exports.contains_key("canonical_abi_realloc") || imports("canonical_abi") {
        return Err(Diagnostic::new(
            Code::OldAbi,
            "the module speaks a canonical ABI that predates the component model",
        )
        .hint("regenerate its bindings with a current `wit-bindgen`"));
    }
    let foreign: Vec<&str> = {
        let mut modules: Vec<&str> = survey
            .imports
            .iter()
            .map(|(name, _)| name.module.as_str())
            .filter(|m| *m != PREVIEW1 && !is_wit_name(m))
            .collect();
        modules.dedup();
        modules
    };
    let Some(&first) = foreign.first() else { return Ok(()) };
    if survey.has_component_type && first == "__main_module__" {
        return Ok(());
    }
    let host = match first {
        m if m.starts_with("__wbindgen") || m == "wbg" => "JavaScript glue of wasm-bindgen: rebuild without it",
        "env" if survey.imported_from("env").any(|n| n.starts_with("emscripten_") || n.starts_with("invoke_")) => {
            "Emscripten's JavaScript runtime: rebuild with `-sSTANDALONE_WASM` or wasi-sdk"
        }
        "env" if survey.imported_from("env").any(|n| n == "abort") => {
            "AssemblyScript's loader: rebuild with `--use abort=` or the wasi-shim"
        }
        "napi" | "emnapi" => "Node's N-API: such modules need a JavaScript host",
        m if m.starts_with("fastly_") => "Fastly's own host calls: use their WIT world",
        _ => "a host of its own: describe these functions in WIT and bind the module to it",
    };
    Err(Diagnostic::new(Code::ForeignImport, format!("no adapter supplies `{first}`"))
        .fact("needs", list(survey.imported_from(first)))
        .hint(format!("this looks like {host}")))
}

/// Import modules that a component type can describe.
fn is_wit_name(module: &str) -> bool {
    module.contains(':') || module.starts_with('$') || module.starts_with('[') || module.starts_with("cm32p2")
}

/// Names for a message: at most eight of them.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "nothing".to_owned(),
        n if n <= 8 => names.join(", "),
        n => format!("{}, and {} more", names[..8].join(", "), n - 8),
    }
}
