//! Proof that derived WITX says what the Canonical ABI says, by independent readers.
//!
//! The text is parsed again with the `witx` crate. Every function's signature is compared with `wit-parser`'s and with
//! the ABI table's, every type's size, alignment and offsets with `wit-parser`'s `SizeAlign`.

use super::model::{Document, Witx};
use super::read::signature;
use crate::abi::{Core, CoreSignature, Direction, Lowering, Resolve, Table, world_functions};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{InterfaceId, SizeAlign, Type, TypeDefKind};
use witx::Layout;

/// What was compared and found equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Functions of the WIT, in both directions.
    pub functions: usize,
    /// Resource drops and other intrinsics.
    pub intrinsics: usize,
    /// Typenames whose size and alignment were compared.
    pub types: usize,
    /// Offsets of fields and payloads.
    pub offsets: usize,
    /// Resources.
    pub resources: usize,
}

/// Compares `files` (as printed) with the WIT that `document` was derived from. Fails with [`Code::WitxVerify`] on the
/// first difference, or if anything that was derived is not found again.
pub fn verify(
    resolve: &Resolve,
    scope: &super::Scope,
    document: &Document,
    files: &[(String, String)],
) -> Result<Counts> {
    let text: String = files.iter().flat_map(|(_, text)| text.lines()).filter(|l| !l.starts_with("(use ")).fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        },
    );
    let parsed = witx::parse(&text).map_err(|e| {
        Diagnostic::new(Code::WitxVerify, "the `witx` crate does not read the derived files").cause(e.report())
    })?;
    let mut counts = Counts::default();
    functions(resolve, scope, &parsed, &mut counts)?;
    types(resolve, document, &parsed, &mut counts)?;
    let derived: usize = document.files.iter().flat_map(|f| &f.modules).map(|m| m.funcs.len()).sum();
    let found: usize = parsed.modules().map(|m| m.funcs().count()).sum();
    if derived != found || derived != counts.functions + counts.intrinsics {
        return Err(difference("the number of functions", derived, found));
    }
    Ok(counts)
}

fn functions(resolve: &Resolve, scope: &super::Scope, parsed: &witx::Document, counts: &mut Counts) -> Result<()> {
    let mut table = Table::new(resolve);
    let wanted = match scope {
        super::Scope::World(world) => world_functions(&mut table, *world)?,
        super::Scope::Packages(packages) => {
            let interfaces: Vec<InterfaceId> =
                packages.iter().flat_map(|&p| resolve.packages[p].interfaces.values().copied()).collect();
            let mut all = Vec::new();
            for id in interfaces {
                all.extend(table.interface_imports(id)?);
            }
            all
        }
    };
    let mut found = HashMap::new();
    for module in parsed.modules() {
        for func in module.funcs() {
            found.insert((module.name.as_str().to_owned(), func.name.as_str().to_owned()), func);
        }
    }
    for function in wanted {
        let module = match function.direction {
            Direction::Export => "exports".to_owned(),
            Direction::Import => match function.name.module.strip_prefix("[export]") {
                Some(rest) => format!("export:{rest}"),
                None => function.name.module.clone(),
            },
        };
        let func = found
            .get(&(module, function.name.name.clone()))
            .ok_or_else(|| Diagnostic::new(Code::WitxVerify, format!("`{}` was not derived", function.name)))?;
        let have = signature(func)
            .ok_or_else(|| Diagnostic::new(Code::WitxVerify, format!("`{}` has no signature", function.name)))?;
        let want = match &function.function {
            Some((wit, _)) => {
                counts.functions += 1;
                let variant = match function.direction {
                    Direction::Import => AbiVariant::GuestImport,
                    Direction::Export => AbiVariant::GuestExport,
                };
                oracle(&resolve.wasm_signature(variant, wit))
            }
            None => {
                counts.intrinsics += 1;
                function.core.clone()
            }
        };
        if have != want || function.core != want {
            return Err(difference(&function.name.to_string(), want, have));
        }
    }
    Ok(())
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

fn types(resolve: &Resolve, document: &Document, parsed: &witx::Document, counts: &mut Counts) -> Result<()> {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    for ty in &document.types {
        let found = parsed
            .typename(&witx::Id::new(&ty.id))
            .ok_or_else(|| Diagnostic::new(Code::WitxVerify, format!("`${}` was not found again", ty.id)))?;
        let Some(origin) = ty.origin else {
            counts.resources += usize::from(ty.note == Some("resource"));
            continue;
        };
        let want = (sizes.size(&origin).size_wasm32(), sizes.align(&origin).align_wasm32());
        let have = found.mem_size_align();
        if want != (have.size, have.align) {
            return Err(difference(&ty.id, format!("{want:?}"), format!("{:?}", (have.size, have.align))));
        }
        counts.types += 1;
        let Type::Id(id) = origin else { continue };
        let offsets: Vec<usize> = match &resolve.types[id].kind {
            TypeDefKind::Record(r) => {
                sizes.field_offsets(r.fields.iter().map(|f| &f.ty)).iter().map(|(o, _)| o.size_wasm32()).collect()
            }
            TypeDefKind::Tuple(t) => sizes.field_offsets(t.types.iter()).iter().map(|(o, _)| o.size_wasm32()).collect(),
            TypeDefKind::Variant(v) => {
                vec![sizes.payload_offset(v.tag(), v.cases.iter().map(|c| c.ty.as_ref())).size_wasm32()]
            }
            TypeDefKind::Option(ty) => {
                vec![sizes.payload_offset(wit_parser::Int::U8, [None, Some(ty)]).size_wasm32()]
            }
            TypeDefKind::Result(r) => {
                vec![sizes.payload_offset(wit_parser::Int::U8, [r.ok.as_ref(), r.err.as_ref()]).size_wasm32()]
            }
            _ => continue,
        };
        let witx_type = found.type_();
        let have: Vec<usize> = match (&**witx_type, &ty.def) {
            (witx::Type::Record(r), Witx::Record(_) | Witx::Tuple(_)) => {
                r.member_layout().iter().map(|m| m.offset).collect()
            }
            (witx::Type::Variant(v), _) => vec![v.payload_offset()],
            _ => return Err(difference(&ty.id, "a record or variant", witx_type.kind())),
        };
        if offsets != have {
            return Err(difference(&ty.id, format!("offsets {offsets:?}"), format!("{have:?}")));
        }
        counts.offsets += have.len();
    }
    Ok(())
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

fn difference(what: &str, want: impl std::fmt::Display, have: impl std::fmt::Display) -> Box<Diagnostic> {
    Diagnostic::new(Code::WitxVerify, format!("`{what}` differs"))
        .fact("wanted", want.to_string())
        .fact("found", have.to_string())
}
