//! Proof that derived WITX says what the Canonical ABI says, by independent readers.
//!
//! The printed text is read back and must give the same document; its signatures, sizes and offsets are computed anew and
//! compared with the `witx` crate's. Every signature is compared with `wit-parser`'s `wasm_signature`, every layout with its
//! `SizeAlign`, and the set of all names with the module that `wit-component` makes up for the same world.

use super::derive::{Derived, Scope, functions};
use super::dummy::dummies;
use super::read::{Derivation, Reading, read};
use crate::abi::{Core, CoreSignature, ImportName, Kind, Lowering, Resolve, Role, Table, Track};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{SizeAlign, Type, TypeDefKind};

/// What was compared and found equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Functions of the WIT, in both directions, each in every form that was asked for.
    pub functions: usize,
    /// Resource drops and other intrinsics, built-ins and support functions.
    pub intrinsics: usize,
    /// Functions under older versions.
    pub aliases: usize,
    /// Typenames whose size and alignment were compared.
    pub types: usize,
    /// Offsets of fields and payloads.
    pub offsets: usize,
    /// Resources.
    pub resources: usize,
    /// Imports and exports of the module that `wit-component` makes up, all found.
    pub names: usize,
}

/// Compares `files`, as [`super::print()`] printed them, with the WIT that `derived` was derived from. Fails with
/// [`Code::WitxVerify`] on the first difference, or if anything that was derived is not found again.
pub fn verify(resolve: &Resolve, scope: &Scope, derived: &Derived, files: &[(String, String)]) -> Result<Counts> {
    let reading = read(files).map_err(|e| {
        Diagnostic::new(Code::WitxVerify, "the derived files do not read back").cause(e.to_string()).and(*e)
    })?;
    let Reading::Derived(read_back) = reading else {
        return Err(Diagnostic::new(Code::WitxVerify, "the derived files are not recognised"));
    };
    if read_back.document != derived.document {
        return Err(Diagnostic::new(Code::WitxVerify, "the derived files read back as another document"));
    }
    let mut counts = Counts::default();
    calls(resolve, scope, &read_back, &mut counts)?;
    layouts(resolve, derived, &read_back, &mut counts)?;
    counts.names = dummies(resolve, scope, &read_back, counts.aliases)?;
    Ok(counts)
}

/// By core import module and field; the module of an export is empty.
pub(super) fn by_name(read_back: &Derivation) -> HashMap<(&str, &str), &CoreSignature> {
    let functions = read_back.rebuilt.functions(&read_back.document);
    functions.map(|(m, f, abi)| ((m.core_name.as_str(), f.name.as_str()), &abi.core)).collect()
}

fn calls(resolve: &Resolve, scope: &Scope, read_back: &Derivation, counts: &mut Counts) -> Result<()> {
    let mut found = by_name(read_back);
    let mut by_track = HashMap::new();
    let expected = functions(&mut Table::new(resolve), scope, read_back.document.abi)?;
    for function in &expected {
        let want = match &function.role {
            Role::Call { function: wit, lowering, .. } => {
                counts.functions += 1;
                oracle(&resolve.wasm_signature(variant(*lowering), wit))
            }
            _ => {
                counts.intrinsics += 1;
                function.core.clone()
            }
        };
        let ImportName { module, name } = &function.name;
        match found.remove(&(module.as_str(), name.as_str())) {
            Some(have) if *have == want && function.core == want => {}
            Some(have) => return Err(difference(&function.name.to_string(), want, have)),
            None => return Err(Diagnostic::new(Code::WitxVerify, format!("`{}` was not derived", function.name))),
        }
        by_track.insert(tracked(&function.name), want);
    }
    // What is left are older versions of the same.
    for ((module, name), have) in found {
        let name = ImportName { module: module.to_owned(), name: name.to_owned() };
        match by_track.get(&tracked(&name)) {
            Some(want) if want == have => counts.aliases += 1,
            Some(want) => return Err(difference(&name.to_string(), want, have)),
            None => return Err(Diagnostic::new(Code::WitxVerify, format!("`{name}` is in no WIT"))),
        }
    }
    Ok(())
}

/// A name with its versions replaced by their tracks.
pub(super) fn tracked(name: &ImportName) -> ImportName {
    let (export, field) = name.name.split_once('#').unwrap_or(("", &name.name));
    let canonical = |name: &str| match Track::of(name).0 {
        Track { interface, track: Some(track) } => format!("{interface}@{track}"),
        Track { interface, track: None } => interface,
    };
    let separator = if export.is_empty() { "" } else { "#" };
    ImportName { module: canonical(&name.module), name: format!("{}{separator}{field}", canonical(export)) }
}

fn variant(lowering: Lowering) -> AbiVariant {
    match lowering {
        Lowering::Import => AbiVariant::GuestImport,
        Lowering::ImportAsync => AbiVariant::GuestImportAsync,
        Lowering::Export => AbiVariant::GuestExport,
        Lowering::ExportCallback => AbiVariant::GuestExportAsync,
        Lowering::ExportStackful => AbiVariant::GuestExportAsyncStackful,
    }
}

fn oracle(signature: &wit_parser::abi::WasmSignature) -> CoreSignature {
    let core = |ty: &WasmType| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => Core::I32,
        WasmType::I64 | WasmType::PointerOrI64 => Core::I64,
        WasmType::F32 => Core::F32,
        WasmType::F64 => Core::F64,
    };
    CoreSignature {
        params: signature.params.iter().map(core).collect(),
        results: signature.results.iter().map(core).collect(),
    }
}

/// Compares every layout with `SizeAlign`.
fn layouts(resolve: &Resolve, derived: &Derived, read_back: &Derivation, counts: &mut Counts) -> Result<()> {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    for (ty, origin) in derived.document.types.iter().zip(&derived.origins) {
        let Some(origin) = origin else {
            counts.resources += usize::from(ty.kind == super::model::TypeKind::Resource);
            continue;
        };
        let id = read_back
            .rebuilt
            .by_id(&ty.id)
            .ok_or_else(|| Diagnostic::new(Code::WitxVerify, format!("`${}` was not found again", ty.id)))?;
        let laid_out = read_back.rebuilt.layouts.get(id);
        let want = (sizes.size(origin).size_wasm32(), sizes.align(origin).align_wasm32());
        let have = (laid_out.size as usize, laid_out.align as usize);
        if want != have {
            return Err(difference(&ty.id, format!("{want:?}"), format!("{have:?}")));
        }
        counts.types += 1;
        let Some(want) = offsets(resolve, &sizes, origin) else { continue };
        let have: Vec<usize> = match &laid_out.kind {
            Kind::Record(fields) => fields.iter().map(|f| f.offset as usize).collect(),
            Kind::Variant(v) => vec![v.payload as usize],
            _ => Vec::new(),
        };
        if want != have {
            return Err(difference(&ty.id, format!("offsets {want:?}"), format!("{have:?}")));
        }
        counts.offsets += have.len();
    }
    Ok(())
}

/// The offsets of a type's fields or payload, by `SizeAlign`.
fn offsets(resolve: &Resolve, sizes: &SizeAlign, ty: &Type) -> Option<Vec<usize>> {
    let Type::Id(id) = *ty else { return None };
    let fields = |types: &mut dyn Iterator<Item = &Type>| {
        sizes.field_offsets(types).iter().map(|(o, _)| o.size_wasm32()).collect()
    };
    let payload = |tag, cases: &[Option<&Type>]| vec![sizes.payload_offset(tag, cases.iter().copied()).size_wasm32()];
    Some(match &resolve.types[id].kind {
        TypeDefKind::Record(r) => fields(&mut r.fields.iter().map(|f| &f.ty)),
        TypeDefKind::Tuple(t) => fields(&mut t.types.iter()),
        TypeDefKind::Variant(v) => payload(v.tag(), &v.cases.iter().map(|c| c.ty.as_ref()).collect::<Vec<_>>()),
        TypeDefKind::Option(ty) => payload(wit_parser::Int::U8, &[None, Some(ty)]),
        TypeDefKind::Result(r) => payload(wit_parser::Int::U8, &[r.ok.as_ref(), r.err.as_ref()]),
        _ => return None,
    })
}

/// The layout of the table itself against `SizeAlign`, for every type of a [`Resolve`]; the number compared.
pub fn verify_table(resolve: &Resolve) -> Result<usize> {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let mut table = Table::new(resolve);
    let mut compared = 0;
    for (id, def) in resolve.types.iter() {
        if is_resource(resolve, id) {
            continue;
        }
        let ty = Type::Id(id);
        let have = table.ty(&ty)?;
        let have = (table.get(have).size as usize, table.get(have).align as usize);
        let want = (sizes.size(&ty).size_wasm32(), sizes.align(&ty).align_wasm32());
        if have != want {
            return Err(difference(def.name.as_deref().unwrap_or("?"), format!("{want:?}"), format!("{have:?}")));
        }
        compared += 1;
    }
    for (_, interface) in resolve.interfaces.iter() {
        for function in interface.functions.values() {
            for (lowering, variant) in [
                (Lowering::Import, AbiVariant::GuestImport),
                (Lowering::ImportAsync, AbiVariant::GuestImportAsync),
                (Lowering::Export, AbiVariant::GuestExport),
                (Lowering::ExportCallback, AbiVariant::GuestExportAsync),
                (Lowering::ExportStackful, AbiVariant::GuestExportAsyncStackful),
            ] {
                let have = table.signature(function, lowering)?.core;
                let want = oracle(&resolve.wasm_signature(variant, function));
                if have != want {
                    return Err(difference(&function.name, want, have));
                }
                compared += 1;
            }
        }
    }
    Ok(compared)
}

/// A resource, or another name for one: neither has a layout.
fn is_resource(resolve: &Resolve, id: wit_parser::TypeId) -> bool {
    match &resolve.types[id].kind {
        TypeDefKind::Resource | TypeDefKind::Unknown => true,
        TypeDefKind::Type(Type::Id(id)) => is_resource(resolve, *id),
        _ => false,
    }
}

pub(super) fn difference(what: &str, want: impl std::fmt::Display, have: impl std::fmt::Display) -> Box<Diagnostic> {
    Diagnostic::new(Code::WitxVerify, format!("`{what}` differs"))
        .fact("wanted", want.to_string())
        .fact("found", have.to_string())
}
