//! Modules that are adapted, and files that are looked at.

use super::{Outcome, obeys_nothing, refused};
use lowlift::adapt::{Adapter, Options, Pattern, adapt, snapshot0, sniff, survey};
use lowlift::migrate::{Report, examine, html, text};
use std::sync::OnceLock;
use wasmparser::{Parser, Validator, WasmFeatures};

/// A module that any adapter has something to do for.
const MODULE: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))"#;

/// A module, after a byte that chooses an adapter and what to deny and stub out; or an adapter for a module that is always the
/// same: what comes out is a component, the same twice, and what snapshot 0 became validates.
pub(super) fn adapt_module(data: &[u8]) -> Outcome {
    static FIXED: OnceLock<Vec<u8>> = OnceLock::new();
    let Some((&mode, bytes)) = data.split_first() else { return Outcome::NotText };
    let fixed = FIXED.get_or_init(|| wat::parse_str(MODULE).expect("text"));
    let patterns = |text: &str| vec![Pattern::parse(text).expect("a pattern")];
    let (mut module, mut options) = (bytes, Options::default());
    match mode % 6 {
        1 => options.adapter = Some(Adapter::Command),
        2 => options.adapter = Some(Adapter::Reactor),
        3 => options.adapter = Some(Adapter::Proxy),
        4 => (module, options.adapter) = (fixed, Some(Adapter::Own(bytes.to_owned()))),
        _ => {}
    }
    if mode & 0x80 != 0 {
        options.stub = patterns("wasi:sockets");
    }
    if mode & 0x40 != 0 {
        options.deny = patterns("wasi:filesystem");
    }
    translated(module);
    match adapt(module, &options) {
        Ok(done) => {
            let component = &done.adapted.component;
            assert!(Parser::is_component(component), "no component");
            Validator::new_with_features(WasmFeatures::all()).validate_all(component).expect("valid");
            obeys_nothing(&done.report.text());
            serde_json::to_string(&done.report).expect("the report is JSON");
            let again = adapt(module, &options).expect("adapted before");
            assert!(again.adapted.component == *component, "another component");
            Outcome::Whole
        }
        Err(error) => refused(&error),
    }
}

fn translated(module: &[u8]) {
    let Ok(survey) = survey(module) else { return };
    match snapshot0::translate(module, &survey) {
        Ok(None) => {}
        Ok(Some(done)) => {
            Validator::new_with_features(WasmFeatures::all()).validate_all(&done.wasm).expect("valid");
        }
        Err(error) => drop(refused(&error)),
    }
}

/// Any file: what is said of it can be told in every form, and what would be written validates.
pub(super) fn migrate_file(data: &[u8]) -> Outcome {
    sniff(data);
    let Some((examined, output)) = examine("input <&\u{1b}>.wasm", data) else { return Outcome::Plain };
    let outcome = match output {
        None => Outcome::Refused,
        Some(output) => {
            Validator::new_with_features(WasmFeatures::all()).validate_all(&output.bytes).expect("valid");
            Outcome::Whole
        }
    };
    let mut report = Report::default();
    report.push(examined);
    obeys_nothing(&text(&report, true));
    let page = html(&report);
    assert!(!page.contains("<&") && !page.contains('\u{1b}'), "{page}");
    serde_json::to_string(&report).expect("the report is JSON");
    outcome
}
