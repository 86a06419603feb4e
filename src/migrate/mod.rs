//! What a module is, which way leads on from preview1, and what changes on that way.
//!
//! [`examine`] tries before it says: a module is adapted and the component linked, in memory; a component is linked. The verdict
//! is what came out of that. Nothing here reads or writes files.

mod changes;
mod html;
mod model;
mod text;

pub use html::html;
pub use model::{Attempt, Change, Examined, ImportsOf, Kind, Output, Report, Totals, Verdict};
pub use text::text;

use crate::adapt::{self, FileKind, Item, PREVIEW1, SNAPSHOT0, Survey, sniff, survey};
use crate::diagnostic::Diagnostic;
use crate::link::{Linked, Options, Wasi, link};
use std::collections::BTreeMap;

/// A file, and what it became if there is something to write.
pub type Outcome = (Examined, Option<Output>);

/// Looks at one binary, and tries what would be done with it. None if it is a WIT package, which holds nothing to run.
/// `path` is how commands name it.
pub fn examine(path: &str, bytes: &[u8]) -> Option<Outcome> {
    match sniff(bytes) {
        FileKind::Component if is_wit_package(bytes) => None,
        FileKind::Component => Some(component(path, bytes)),
        _ => Some(module(path, bytes)),
    }
}

/// A component that holds types alone.
fn is_wit_package(bytes: &[u8]) -> bool {
    use wasmparser::Payload::{
        ComponentCanonicalSection, ComponentImportSection, ComponentInstanceSection, ComponentSection, InstanceSection,
        ModuleSection,
    };
    let mut payloads = wasmparser::Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let does = |payload| {
        matches!(
            payload,
            ModuleSection { .. }
                | ComponentSection { .. }
                | InstanceSection(_)
                | ComponentInstanceSection(_)
                | ComponentCanonicalSection(_)
                | ComponentImportSection(_)
        )
    };
    !payloads.any(does)
        && wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(bytes).is_ok()
}

fn component(path: &str, bytes: &[u8]) -> Outcome {
    let mut examined = Examined::new(path, bytes.len(), Kind::Component);
    let linked = link(bytes, Options::default());
    examined.attempt("link", linked.as_ref().map(|linked| linked.wasm.len()).map_err(|e| &**e));
    let linked = match linked {
        Ok(linked) => linked,
        Err(error) => {
            examined.refused(Verdict::AsItIs, &error);
            examined.why = format!("it runs where components do; it cannot be linked: {}", error.message);
            return (examined, None);
        }
    };
    let preview1 = link(bytes, Options { wasi: Wasi::Preview1, ..Options::default() });
    examined.attempt("link --wasi preview1", preview1.as_ref().map(|l| l.wasm.len()).map_err(|e| &**e));
    if let Ok(surveyed) = survey(&linked.wasm) {
        examined.imports = imports(&surveyed);
        examined.toolchain = toolchain(&surveyed);
    }
    examined.exports = exported(&linked);
    examined.verdict = Verdict::Link;
    examined.why = format!(
        "it links to one core module: {} imports, validates as {}",
        linked.report.imports.len(),
        linked.report.floor.name()
    );
    examined.what = what(&examined.exports);
    changes::of_link(&mut examined, &linked);
    let output = examined.output("core.wasm");
    examined.commands.push(format!("lowlift link {} --verify -o {}", examined.quoted(), model::quoted(&output)));
    examined.run_commands(&output);
    (examined, Some(Output { name: output, bytes: linked.wasm }))
}

fn exported(linked: &Linked) -> Vec<String> {
    linked.report.exports.iter().map(|export| export.name.clone()).collect()
}

fn module(path: &str, bytes: &[u8]) -> Outcome {
    let mut examined = Examined::new(path, bytes.len(), Kind::Module);
    let surveyed = match survey(bytes) {
        Ok(surveyed) => surveyed,
        Err(error) => {
            examined.refused(Verdict::Broken, &error);
            return (examined, None);
        }
    };
    examined.toolchain = toolchain(&surveyed);
    examined.imports = imports(&surveyed);
    examined.exports = surveyed.exports.keys().cloned().collect();
    examined.what = what(&examined.exports);
    if surveyed.imports.is_empty() && !surveyed.has_component_type {
        examined.verdict = Verdict::AsItIs;
        examined.why = "it imports nothing, so that every engine has all it needs".to_owned();
        return (examined, None);
    }
    let output = try_routes(&mut examined, bytes, &surveyed);
    (examined, output)
}

/// Adapts, links what came out, and judges.
fn try_routes(examined: &mut Examined, bytes: &[u8], surveyed: &Survey) -> Option<Output> {
    let done = match adapt::adapt(bytes, &adapt::Options::default()) {
        Ok(done) => done,
        Err(error) => {
            examined.attempt("adapt", Err(&error));
            examined.refused(if runs(surveyed) { Verdict::Run } else { Verdict::Rebuild }, &error);
            if examined.verdict == Verdict::Run {
                examined.why = format!("a preview1 host runs it as it is; it cannot be adapted: {}", error.message);
                examined.commands.push(format!("lowlift run {}", examined.quoted()));
            }
            return None;
        }
    };
    let component = done.adapted.component;
    examined.attempt("adapt", Ok(component.len()));
    let linked = link(&component, Options::default());
    examined.attempt("link", linked.as_ref().map(|linked| linked.wasm.len()).map_err(|e| &**e));
    let output = examined.output("component.wasm");
    let adapt = format!("lowlift adapt {} -o {}", examined.quoted(), model::quoted(&output));
    match (&done.adapter, done.suspicion) {
        _ if done.adapted.exports.is_empty() => {
            examined.verdict = Verdict::Rebuild;
            examined.why = "its exports are plain core functions: as a component it would export nothing".to_owned();
            examined
                .hints
                .push("name the WIT world that it implements: `lowlift adapt --wit DIR --world NAME`".to_owned());
            None
        }
        (Some(_), Some(suspicion)) => {
            let runs = runs(surveyed);
            examined.verdict = if runs { Verdict::Run } else { Verdict::Rebuild };
            examined.why = format!("it adapts, but is known to break then: {} ({})", suspicion.why, suspicion.by);
            if runs {
                examined.commands.push(format!("lowlift run {}", examined.quoted()));
            }
            examined.hints.push("a toolchain that targets `wasm32-wasip2` needs no adapter".to_owned());
            None
        }
        (None, _) if linked.is_ok() => {
            examined.verdict = Verdict::AsItIs;
            examined.why =
                "it is a core module of WIT interfaces already; as a component it has the same world".to_owned();
            examined.run_commands(&examined.path.clone());
            examined.commands.push(adapt);
            None
        }
        (adapter, _) => {
            examined.verdict = Verdict::Adapt;
            changes::of_adapter(examined, surveyed, &done.report);
            let name = adapter.as_ref().map_or("no", adapt::Adapter::name);
            examined.why = match &linked {
                Ok(linked) => format!(
                    "it adapts with the {name} adapter; the component links to a core module of {} imports",
                    linked.report.imports.len()
                ),
                Err(error) => format!("it adapts with the {name} adapter; it does not link: {}", error.message),
            };
            examined.commands.push(adapt);
            examined.run_commands(&output);
            if linked.is_ok() {
                let core = examined.output("core.wasm");
                examined.commands.push(format!("lowlift link {} -o {}", model::quoted(&output), model::quoted(&core)));
            }
            Some(Output { name: output, bytes: component })
        }
    }
}

/// Whether a preview1 host has all that the program wants.
fn runs(survey: &Survey) -> bool {
    let known = |name: &str| adapt::snapshot0::FUNCTIONS.iter().any(|f| f.name == name) || name == "sock_accept";
    matches!(survey.exports.get("_start"), Some(Item::Func(_)))
        && survey
            .imports
            .iter()
            .all(|(name, _)| [PREVIEW1, SNAPSHOT0].contains(&name.module.as_str()) && known(&name.name))
}

/// Languages and tools, without the mark that linking left.
fn toolchain(survey: &Survey) -> Vec<String> {
    let own = concat!("lowlift ", env!("CARGO_PKG_VERSION"));
    survey.producers.iter().map(|p| p.trim().to_owned()).filter(|p| p != own).collect()
}

/// In a few words, by what it exports.
fn what(exports: &[String]) -> String {
    let exports = |start: &str| exports.iter().any(|name| name.starts_with(start));
    let text = if exports("wasi:http/incoming-handler") || exports("wasi:http/handler") {
        "HTTP handler"
    } else if exports("_start") || exports("wasi:cli/run") {
        "program"
    } else if exports("_initialize") {
        "library (reactor)"
    } else {
        "library"
    };
    text.to_owned()
}

fn imports(survey: &Survey) -> Vec<ImportsOf> {
    let mut modules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, _) in &survey.imports {
        modules.entry(&name.module).or_default().push(name.name.clone());
    }
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    modules.into_iter().map(|(m, names)| ImportsOf { module: m.to_owned(), functions: sorted(names) }).collect()
}

/// A refusal in one line.
fn said(error: &Diagnostic) -> String {
    let reason = error.facts.iter().find(|(label, _)| *label == "reason").map(|(_, text)| format!(" ({text})"));
    format!("{}: {}{}", error.code, error.message, reason.unwrap_or_default())
}
