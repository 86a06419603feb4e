//! Which adapter fits a module, or why none does.

use super::foreign::Foreign;
use super::snapshot0;
use super::survey::{PREVIEW1, SNAPSHOT0, Survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::BTreeSet;
use wasi_preview1_component_adapter_provider as provider;

/// The version of the published crate that carries the adapters.
const ADAPTER_VERSION: &str = "48.0.8";

/// Under this name an adapter imports from the module that it serves.
const MAIN: &str = "__main_module__";

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
    let needed = [PREVIEW1, SNAPSHOT0].into_iter().any(|module| survey.imported_from(module).next().is_some());
    let has_start = survey.exports.contains_key("_start");
    let chosen = match wanted {
        None if !needed && survey.has_component_type => return Ok(None),
        None if !needed => return Err(nothing(survey)),
        Some(adapter) => adapter,
        None if has_start => Adapter::Command,
        None if survey.exports.keys().any(|e| e.starts_with("wasi:http/incoming-handler@")) => Adapter::Proxy,
        None => Adapter::Reactor,
    };
    fits(survey, &chosen)?;
    Ok(Some(chosen))
}

fn nothing(survey: &Survey) -> Box<Diagnostic> {
    let interfaces: BTreeSet<&str> =
        survey.imports.iter().map(|(name, _)| name.module.as_str()).filter(|m| is_wit_name(m)).collect();
    if interfaces.is_empty() {
        return Diagnostic::new(Code::NothingToAdapt, "the module imports nothing from preview1")
            .hint("bind it to a WIT world (`wit-bindgen`) if it should be a component")
            .hint("where it follows the names of the canonical ABI already, name the world: `--wit DIR --world NAME`");
    }
    Diagnostic::new(Code::NothingToAdapt, "the module imports WIT interfaces and carries no types of them")
        .fact("imports", list(interfaces))
        .hint("name the world that it was built for: `--wit DIR --world NAME`")
}

/// Refuses an adapter with which the component could not be built, or would export nothing.
fn fits(survey: &Survey, adapter: &Adapter) -> Result<()> {
    let surveyed = super::survey(adapter.bytes()).map_err(|e| e.fact("in", "the adapter"))?;
    let is_preview1 =
        |name: &&String| name.as_str() == "sock_accept" || snapshot0::FUNCTIONS.iter().any(|f| f.name == name.as_str());
    if !surveyed.exports.keys().any(|name| is_preview1(&name)) {
        return Err(Diagnostic::new(Code::NotAnAdapter, "the adapter exports no preview1 function")
            .fact("exports", list(surveyed.exports.keys().map(String::as_str))));
    }
    if !surveyed.has_component_type {
        return Err(Diagnostic::new(Code::NotAnAdapter, "the adapter carries no types of what it imports")
            .hint("an adapter is built with `wit-bindgen`, which embeds them as a `component-type` section"));
    }
    let of_main: Vec<&str> = surveyed.imported_from(MAIN).filter(|name| *name != "cabi_realloc").collect();
    let (has_start, starts) = (survey.exports.contains_key("_start"), of_main.contains(&"_start"));
    if has_start && !starts {
        return Err(Diagnostic::new(
            Code::WrongAdapter,
            format!(
                "the {} adapter never calls `_start`, which the module exports: the component would export nothing",
                adapter.name()
            ),
        )
        .hint("`--adapter command`, or leave `--adapter` away"));
    }
    if starts && !has_start {
        let text = format!("the {} adapter calls `_start`, which the module does not export", adapter.name());
        return Err(Diagnostic::new(Code::WrongAdapter, text).hint("`--adapter reactor`, or leave `--adapter` away"));
    }
    if let Some(missing) = of_main.iter().find(|name| !survey.exports.contains_key(**name)) {
        let text = format!("the {} adapter calls `{missing}`, which the module does not export", adapter.name());
        return Err(Diagnostic::new(Code::WrongAdapter, text).fact("calls", list(of_main)));
    }
    let imported = [PREVIEW1, SNAPSHOT0].into_iter().flat_map(|module| survey.imported_from(module));
    let missing: BTreeSet<&str> = imported.filter(|name| !surveyed.exports.contains_key(*name)).collect();
    if !missing.is_empty() {
        let text = format!("the {} adapter has not all functions that the module imports", adapter.name());
        let error = Diagnostic::new(Code::WrongAdapter, text).fact("missing", list(missing));
        return Err(error.hint("preview1 has no others: they are a runtime's own, and only that runtime has them"));
    }
    Ok(())
}

/// Modules of other worlds, each answered with what would help.
pub(super) fn recognise(survey: &Survey) -> Result<()> {
    let foreign = Foreign::of(survey);
    if let Some((first, others)) = foreign.split_first() {
        let mut error = Diagnostic::new(first.code, first.found);
        let imports = first.imports(survey);
        if !imports.is_empty() {
            error = error.fact("needs", list(imports.iter().map(String::as_str)));
        }
        if !others.is_empty() {
            error = error.fact("also", list(others.iter().map(|f| f.name)));
        }
        return Err(error.hint(first.hint));
    }
    let unknown = survey.imports.iter().map(|(name, _)| name.module.as_str()).find(|module| !is_known(survey, module));
    let Some(first) = unknown else { return Ok(()) };
    Err(Diagnostic::new(Code::ForeignImport, format!("no adapter supplies `{first}`"))
        .fact("needs", list(survey.imported_from(first)))
        .hint("this looks like a host of its own: describe these functions in WIT and bind the module to it"))
}

fn is_known(survey: &Survey, module: &str) -> bool {
    let bound = survey.has_component_type;
    [PREVIEW1, SNAPSHOT0].contains(&module)
        || is_wit_name(module)
        || bound && (module == MAIN || !module.contains('.') && module != "env")
}

/// Import modules that a component type can describe.
fn is_wit_name(module: &str) -> bool {
    module.contains(':') || module.starts_with('$') || module.starts_with('[') || module.starts_with("cm32p2")
}

/// Names for a message: at most eight of them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "nothing".to_owned(),
        n if n <= 8 => names.join(", "),
        n => format!("{}, and {} more", names[..8].join(", "), n - 8),
    }
}
