//! Proof of the output: it validates, and it wraps into a component with the same world.

use super::ir::Component;
use super::names::NameMap;
use super::report::Floor;
use super::validate;
use crate::abi::{Abi, CoreSignature, Direction, ImportName, Table, world_functions};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use std::collections::HashSet;
use wasmparser::{BinaryReaderError, Parser, Payload, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};
use wit_parser::{Resolve, WorldId};

/// Validates under the smallest profile that fits, and names it. None below `lowest` fits.
pub(super) fn validate(wasm: &[u8], lowest: Floor) -> Result<Floor> {
    let mut last = None;
    for floor in Floor::ALL.into_iter().filter(|floor| *floor >= lowest) {
        match validate::validate(wasm, floor.features()) {
            Ok(()) => return Ok(floor),
            Err(e) => last = Some(e),
        }
    }
    Err(match last {
        // Limits of the validator, which engines share.
        Some(e) if e.message().contains("exceeds limit") || e.message().contains("exceeds the limit") => {
            Diagnostic::new(Code::TooLarge, format!("the linked module would be too large: {}", e.message()))
        }
        Some(e) => Diagnostic::new(Code::OutputInvalid, "the linked module does not validate").cause(e),
        None => Diagnostic::new(Code::OutputInvalid, "no feature profile to validate under"),
    })
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
    if let Some(cause) = &component.untyped {
        return Err(Diagnostic::new(Code::TypeInformation, "the component's world has no WIT to compare with")
            .cause(cause)
            .hint("link without `--verify`: the module then carries no types"));
    }
    let wrapped = rewrap(wasm)?;
    let decoded = quietly("decoding the re-wrapped component", || wit_component::decode(&wrapped))?
        .map_err(|e| Diagnostic::new(Code::VerifyFailed, "the re-wrapped component cannot be decoded").cause(e))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Diagnostic::new(Code::VerifyFailed, "the re-wrapped module is no component"));
    };
    compare((&component.resolve, component.world), (&resolve, world), wasm)
}

/// Compares a world with the one that `wasm` was wrapped into, which may lack what `wasm` does not import.
pub(super) fn compare(original: (&Resolve, WorldId), wrapped: (&Resolve, WorldId), wasm: &[u8]) -> Result<()> {
    let want = world_text(original.0, original.1)?;
    let have = world_text(wrapped.0, wrapped.1)?;
    let mut missing: Vec<&str> = want.iter().filter(|l| have.binary_search(l).is_err()).map(String::as_str).collect();
    let mut extra: Vec<&str> = have.iter().filter(|l| want.binary_search(l).is_err()).map(String::as_str).collect();
    let called = imports(wasm)?;
    let functions = functions(original.0, original.1)?;
    let is_dropped = |f: &Function| f.0 == Direction::Import && !called.contains(&f.1);
    if intrinsics(original.0, original.1)?.iter().any(|name| !called.contains(name)) || functions.iter().any(is_dropped)
    {
        // What is imported and never called is gone, and so are the types that only it used. The rest must be there.
        let wrapped: HashSet<Function> = self::functions(wrapped.0, wrapped.1)?.into_iter().collect();
        missing = functions.iter().filter(|f| !is_dropped(f) && !wrapped.contains(f)).map(|f| &*f.1.name).collect();
        // A resource whose functions are all gone is written without a body.
        let emptied =
            |line: &str| line.strip_suffix(';').is_some_and(|head| want.iter().any(|w| *w == format!("{head} {{")));
        extra.retain(|line| !(line.starts_with("resource ") && emptied(line)));
    }
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(Diagnostic::new(Code::VerifyFailed, "the linked module has another world than the component")
        .fact("missing", missing.join("; "))
        .fact("extra", extra.join("; ")))
}

/// Proves a module whose imports and exports got other names: it validates, and where the encoder knows the names, it still
/// has the same world.
pub(super) fn renamed(component: &Component<'_>, wasm: &[u8], map: &NameMap, world: bool) -> Result<()> {
    validate(wasm, Floor::Mvp)?;
    match map {
        NameMap::Cm32p2 if world => same_world(component, wasm),
        _ => Ok(()),
    }
}

/// A function of a world.
type Function = (Direction, ImportName, CoreSignature);

/// The functions of a world that WIT declares.
fn functions(resolve: &Resolve, world: WorldId) -> Result<Vec<Function>> {
    let mut table = Table::new(resolve);
    let functions = world_functions(&mut table, world, Abi::default())?;
    Ok(functions.into_iter().filter(|f| f.call().is_some()).map(|f| (f.direction, f.name, f.core)).collect())
}

/// Intrinsics of imported resources: an interface of which nothing else is used is gone with them.
fn intrinsics(resolve: &Resolve, world: WorldId) -> Result<Vec<ImportName>> {
    let mut table = Table::new(resolve);
    let functions = world_functions(&mut table, world, Abi::default())?;
    let imported = functions.into_iter().filter(|f| f.direction == Direction::Import && f.call().is_none());
    Ok(imported.map(|f| f.name).collect())
}

/// What a module imports.
pub(super) fn imports(wasm: &[u8]) -> Result<HashSet<ImportName>> {
    let invalid = |e: BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let mut found = HashSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ImportSection(section) = payload.map_err(invalid)? {
            for import in section.into_imports() {
                let import = import.map_err(invalid)?;
                found.insert(ImportName { module: import.module.to_owned(), name: import.name.to_owned() });
            }
        }
    }
    Ok(found)
}

/// The lines of a world and of all packages that it uses, sorted: order carries no meaning. `use` defines nothing, and
/// the encoder may carry one more of them than a component needs.
fn world_text(resolve: &Resolve, world: WorldId) -> Result<Vec<String>> {
    let package = resolve.worlds[world]
        .package
        .ok_or_else(|| Diagnostic::new(Code::VerifyFailed, "a world without a package"))?;
    let others: Vec<_> = resolve
        .packages
        .iter()
        .filter(|(id, p)| *id != package && !(p.interfaces.is_empty() && p.worlds.is_empty()))
        .map(|(id, _)| id)
        .collect();
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
