//! Components that are linked.

use super::{Outcome, refused};
use lowlift::diagnostic::Result;
use lowlift::link::{Handles, Linked, NameFile, NameMap, Options, Wasi, link};
use lowlift::profile::Profile;
use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef, Validator, WasmFeatures};

/// A component, after a byte that chooses how to link it: what is linked validates, for the target if there is one.
pub(super) fn link_component(data: &[u8]) -> Outcome {
    let Some((&mode, component)) = data.split_first() else { return Outcome::NotText };
    let bit = |n: u8| mode & (1 << n) != 0;
    let options = Options {
        single_memory: bit(0),
        target: bit(1).then(|| Profile::built_in("mvp")).flatten(),
        wasi: if bit(2) { Wasi::Preview1 } else { Wasi::Keep },
        handles: if bit(3) { Handles::Module } else { Handles::Host },
        no_guards: bit(4),
        strip: bit(5),
        explain: bit(6),
        verify: bit(7),
        ..Options::default()
    };
    let is_canonical = options.wasi == Wasi::Keep;
    judged(component, options, is_canonical)
}

/// A component, after a byte that chooses a profile and a name map, and the text of that map, which its first byte ends: the same.
pub(super) fn link_named(data: &[u8]) -> Outcome {
    let Some((&mode, rest)) = data.split_first() else { return Outcome::NotText };
    let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
    let Ok(text) = std::str::from_utf8(&rest[..end]) else { return Outcome::NotText };
    let names = match mode % 3 {
        0 => NameMap::Short,
        1 => NameMap::Cm32p2,
        _ => match NameFile::parse("names.toml", text) {
            Ok(file) => NameMap::File(file),
            Err(error) => return refused(&error),
        },
    };
    let target = Profile::names().nth(usize::from(mode / 3) % 20).and_then(Profile::built_in);
    let options = Options { target, names: Some(names), verify: mode & 0x80 != 0, ..Options::default() };
    judged(rest.get(end..).unwrap_or_default(), options, false)
}

fn judged(component: &[u8], options: Options, is_canonical: bool) -> Outcome {
    let features = options.target.as_ref().map_or_else(WasmFeatures::all, |target| target.features);
    match link(component, options.clone()) {
        Ok(linked) => {
            let valid = Validator::new_with_features(features).validate_all(&linked.wasm);
            valid.unwrap_or_else(|e| panic!("{options:?}: {e}"));
            if let Err(why) = is_module(&linked, is_canonical) {
                panic!("{options:?}: {why}");
            }
            serde_json::to_string(&linked.report).expect("the report is JSON");
            assert!(again(component, options).is_ok_and(|again| again.wasm == linked.wasm), "another module");
            Outcome::Whole
        }
        Err(error) => refused(&error),
    }
}

fn again(component: &[u8], options: Options) -> Result<Linked> {
    link(component, options)
}

/// One core module that imports functions alone, under names of a world.
fn is_module(linked: &Linked, is_canonical: bool) -> Result<(), String> {
    for payload in Parser::new(0).parse_all(&linked.wasm) {
        match payload.map_err(|e| e.to_string())? {
            Payload::Version { encoding: Encoding::Component, .. } => return Err("a component".to_owned()),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|e| e.to_string())?;
                    let is_func = matches!(import.ty, TypeRef::Func(_));
                    let is_named = !is_canonical || canonical(import.module);
                    if !is_func || !is_named {
                        return Err(format!("imports {import:?}"));
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(|e| e.to_string())?;
                    if !matches!(export.kind, ExternalKind::Func | ExternalKind::Memory) {
                        return Err(format!("exports {export:?}"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The root of a world, or an interface of it: a plain name or one of a package.
fn canonical(module: &str) -> bool {
    let bare = module.strip_prefix("[export]").unwrap_or(module);
    let id = bare.split('@').next().unwrap_or_default();
    bare == "$root" || !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-:/".contains(c))
}
