//! The front end: validates a component and flattens it into [`super::ir`].
//!
//! `wasmtime-environ` inlines nested components and fuses adapters. Its types do not leave this file. It trusts its
//! input to be valid and may still panic on input that nobody tried, so it runs behind `quietly`.

mod asynchronous;
mod boundary;
mod exports;
mod flatten;
mod names;
mod resources;
mod survey;
mod trampolines;

use super::ir::Component;
use super::merge::join;
use super::{Options, size, validate};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use flatten::Flattener;
use survey::Survey;
use wasmparser::{Chunk, ComponentExternalKind, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};
use wasmtime_environ::component::{
    self as wt, ComponentTypesBuilder, Trampoline, Translator, TypeResourceTable, TypeResourceTableIndex,
};
use wasmtime_environ::{EntityRef, ModuleTranslation, PrimaryMap, ScopeVec, StaticModuleIndex, Tunables};

/// A translated component.
struct Input<'x, 's> {
    modules: &'x PrimaryMap<StaticModuleIndex, ModuleTranslation<'s>>,
    component: &'x wt::Component,
    trampolines: &'x PrimaryMap<wt::TrampolineIndex, Trampoline>,
    types: &'x ComponentTypesBuilder,
    /// Views of resource types, by number.
    tables: &'x [TypeResourceTable],
}

/// What a component may use. Proposals beyond are recognised and refused by name.
fn features() -> WasmFeatures {
    WasmFeatures::WASM3
        .difference(WasmFeatures::GC | WasmFeatures::FUNCTION_REFERENCES | WasmFeatures::MEMORY64)
        .union(WasmFeatures::COMPONENT_MODEL | WasmFeatures::CM_ASYNC | WasmFeatures::CM_ASYNC_STACKFUL)
        .union(WasmFeatures::CM_FIXED_LENGTH_LISTS | WasmFeatures::CM_MAP)
}

/// What changes what the front end writes: fused adapters catch exceptions if there may be any, and plan tasks if there may
/// be asynchronous calls. Left out unless the component uses it.
fn extra() -> WasmFeatures {
    WasmFeatures::CM_ASYNC | WasmFeatures::CM_ASYNC_STACKFUL | WasmFeatures::EXCEPTIONS
}

/// Validates and flattens `bytes`.
pub(super) fn read<'a>(bytes: &'a [u8], options: &Options) -> Result<Component<'a>> {
    size::check(bytes)?;
    let plain = features().difference(extra());
    if let (bodies, Ok(())) = validate::sections(bytes, plain) {
        // The translator does not look at bodies, so it need not wait for them.
        let (scans, component) = join(bytes.len(), || bodies.scan(), || translate(bytes, plain, options));
        if let Ok(scans) = scans {
            return component.map(|component| Component { scans, ..component });
        }
    }
    translate(bytes, validate(bytes)?, options)
}

/// Flattens a component whose sections are valid.
fn translate<'a>(bytes: &'a [u8], features: WasmFeatures, options: &Options) -> Result<Component<'a>> {
    only_functions_and_instances(bytes)?;
    let scope = ScopeVec::new();
    let mut validator = Validator::new_with_features(features);
    let mut types = ComponentTypesBuilder::new(&validator);
    // Without concurrency support the front end plans no tasks, which synchronous components do not need.
    let concurrency_support = features.contains(WasmFeatures::CM_ASYNC);
    let tunables = Tunables { concurrency_support, ..Tunables::default_u64() };
    let (translation, modules) = quietly("the component translator", || {
        Translator::new(&tunables, &mut validator, &mut types, &scope).translate(bytes)
    })?
    .map_err(|e| {
        Diagnostic::new(Code::UnsupportedType, "the component uses something that cannot be lowered").cause(e)
    })?;
    let tables = tables(&mut types)?;
    let (component, trampolines) = (&translation.component, &translation.trampolines);
    let survey =
        Survey::new(&Input { modules: &modules, component, trampolines, types: &types, tables: &tables }, options);
    let boundary = match survey.boundary {
        None => None,
        Some(_) => Some(quietly("writing the boundary", || {
            boundary::write(&modules, component, trampolines, &survey, &tables, &tunables, &mut types, &mut validator)
        })??),
    };
    let input = Input { modules: &modules, component, trampolines, types: &types, tables: &tables };
    Flattener::new(bytes, input, survey, boundary.as_ref(), options)?.flatten()
}

/// The views of resource types, by number.
fn tables(types: &mut ComponentTypesBuilder) -> Result<Vec<TypeResourceTable>> {
    const MAX: usize = 1 << 16;
    let count = types.num_resource_tables();
    if count > MAX {
        return Err(Diagnostic::new(
            Code::TooLarge,
            format!("{count} views of resource types; at most {MAX} are linked"),
        ));
    }
    let (_, types) = types.resources_mut_and_types();
    Ok((0..count).map(|i| types[TypeResourceTableIndex::new(i)].clone()).collect())
}

/// The world that the component was built against, as far as it uses it.
fn world(bytes: &[u8]) -> Result<(wit_parser::Resolve, wit_parser::WorldId)> {
    let unreadable = |cause: &dyn std::fmt::Display| {
        Diagnostic::new(Code::TypeInformation, "the component's WIT cannot be recovered").cause(cause)
    };
    crate::wit::refuse_cycles(bytes)?;
    let decoded = quietly("decoding the component's types", || wit_component::decode(bytes))
        .map_err(|e| unreadable(&e))?
        .map_err(|e| unreadable(&format!("{e:#}")))?;
    match decoded {
        wit_component::DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        wit_component::DecodedWasm::WitPackage(..) => {
            Err(Diagnostic::new(Code::ModuleGiven, "this is a WIT package, not a component"))
        }
    }
}

/// Validates what uses more than the plain features, and gives those to translate with. Invalid files are told from
/// valid ones that use what is not supported.
fn validate(bytes: &[u8]) -> Result<WasmFeatures> {
    for unused in [extra().difference(WasmFeatures::EXCEPTIONS), WasmFeatures::EXCEPTIONS] {
        let features = features().difference(unused);
        if validate::validate(bytes, features).is_ok() {
            return Ok(features);
        }
    }
    let Err(error) = validate::validate(bytes, features()) else { return Ok(features()) };
    match validate::validate(bytes, WasmFeatures::all()) {
        Err(error) => Err(Diagnostic::invalid_wasm(&error)),
        Ok(())
            if error.message().contains("async")
                || error.message().contains("stream")
                || error.message().contains("future") =>
        {
            Err(Diagnostic::new(Code::AsyncComponent, "the component is asynchronous").cause(&error))
        }
        Ok(()) => {
            Err(Diagnostic::new(Code::UnsupportedType, format!("a feature that is not lowered: {}", error.message()))
                .cause(&error))
        }
    }
}

/// A world without anything in it.
fn empty_world() -> Result<(wit_parser::Resolve, wit_parser::WorldId)> {
    let mut resolve = wit_parser::Resolve::default();
    let ours = |e: &dyn std::fmt::Display| Diagnostic::new(Code::Internal, "an empty world").cause(e);
    let package = resolve.push_str("root.wit", "package root:component; world root {}").map_err(|e| ours(&e))?;
    let world = resolve.select_world(&[package], None).map_err(|e| ours(&e))?;
    Ok((resolve, world))
}

/// A core module can neither take nor give modules or components.
fn only_functions_and_instances(bytes: &[u8]) -> Result<()> {
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let refused = |verb: &str, name: &str, kind: &str| {
        Err(Diagnostic::new(Code::ModuleImportExport, format!("the component {verb} `{name}`, which is a {kind}")))
    };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let Chunk::Parsed { payload, consumed } = parser.parse(rest, true).map_err(invalid)? else { return Ok(()) };
        rest = &rest[consumed..];
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(invalid)?;
                    match import.ty {
                        ComponentTypeRef::Module(_) => return refused("imports", import.name.name, "core module"),
                        ComponentTypeRef::Component(_) => return refused("imports", import.name.name, "component"),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    match export.kind {
                        ComponentExternalKind::Module => return refused("exports", export.name.name, "core module"),
                        ComponentExternalKind::Component => return refused("exports", export.name.name, "component"),
                        _ => {}
                    }
                }
            }
            // What lies inside is not at the boundary.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                rest = rest.get(unchecked_range.len()..).unwrap_or_default();
            }
            Payload::End(_) => return Ok(()),
            _ => {}
        }
    }
}
