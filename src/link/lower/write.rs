//! Writes the lowered module: everything keeps its index, and what is new comes last.

use super::body::{body, val_type};
use super::fold::{fold, write};
use super::plan::{Plan, Rewrite, narrow};
use super::shape::{functions, lacking};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, DataSegment, DataSegmentMode, ElementSection,
    Elements, ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, Module,
    NameSection, StartSection, TableSection, TagSection, TypeSection, ValType,
};
use wasmparser::{DataKind, ElementKind, Name, WasmFeatures};

/// A lowered module larger than this is refused.
const MAX_OUTPUT: usize = 256 << 20;

/// The whole module.
pub(super) fn module(plan: &Plan<'_, '_>, wasm: &[u8]) -> Result<Vec<u8>> {
    let view = plan.view;
    let mut same = RoundtripReencoder;
    let mut out = Module::new();
    let (types, helper_types) = types(plan)?;
    section(&mut out, &types, types.is_empty());
    let mut imports = ImportSection::new();
    for import in &view.imports {
        same.parse_import(&mut imports, *import).map_err(lost)?;
    }
    section(&mut out, &imports, imports.is_empty());
    let mut functions = FunctionSection::new();
    for ty in view.funcs.iter().skip(view.imported_funcs).chain(&helper_types) {
        functions.function(*ty);
    }
    section(&mut out, &functions, functions.is_empty());
    let mut tables = TableSection::new();
    for table in &view.tables {
        same.parse_table(&mut tables, table.clone()).map_err(lost)?;
    }
    section(&mut out, &tables, tables.is_empty());
    let mut memories = MemorySection::new();
    for memory in view.memories.iter().skip(view.imported_memories) {
        memories.memory(same.memory_type(*memory).map_err(lost)?);
    }
    section(&mut out, &memories, memories.is_empty());
    let mut tags = TagSection::new();
    for tag in &view.tags[view.imports.iter().filter(|i| matches!(i.ty, wasmparser::TypeRef::Tag(_))).count()..] {
        tags.tag(same.tag_type(*tag).map_err(lost)?);
    }
    section(&mut out, &tags, tags.is_empty());
    let globals = globals(plan)?;
    section(&mut out, &globals, globals.is_empty());
    let mut exports = ExportSection::new();
    for export in &view.exports {
        same.parse_export(&mut exports, *export).map_err(lost)?;
    }
    section(&mut out, &exports, exports.is_empty());
    if let Some(function_index) = view.start {
        out.section(&StartSection { function_index });
    }
    let elements = elements(plan)?;
    section(&mut out, &elements, elements.is_empty());
    let data = data(plan)?;
    if view.data_count && !plan.lacks(WasmFeatures::BULK_MEMORY) {
        out.section(&DataCountSection { count: data.len() });
    }
    let code = code(plan, wasm)?;
    section(&mut out, &code, code.is_empty());
    section(&mut out, &data, data.is_empty());
    customs(plan, &mut out);
    Ok(out.finish())
}

fn section(out: &mut Module, section: &impl wasm_encoder::Section, empty: bool) {
    if !empty {
        out.section(section);
    }
}

fn lost(error: reencode::Error<Infallible>) -> Box<Diagnostic> {
    super::body::lost("an item").cause(error)
}

/// All types, and the types of the helpers.
fn types(plan: &Plan<'_, '_>) -> Result<(TypeSection, Vec<u32>)> {
    let view = plan.view;
    let mut types = TypeSection::new();
    match (&plan.results, &view.type_section) {
        (Some(results), _) => {
            for (index, ty) in (0..).zip(&view.types) {
                let ty = ty.as_ref().ok_or_else(|| super::body::lost("a function type"))?;
                let mut params = ty.params().iter().map(|ty| val_type(*ty)).collect::<Result<Vec<ValType>>>()?;
                params.resize(params.len() + results.unread(index) as usize, ValType::I32);
                let first = ty.results().iter().take(1).map(|ty| val_type(*ty)).collect::<Result<Vec<ValType>>>()?;
                types.ty().function(params, first);
            }
        }
        (None, Some(section)) => {
            RoundtripReencoder.parse_type_section(&mut types, section.clone()).map_err(lost)?;
        }
        (None, None) => {}
    }
    let mut next = narrow(view.types.len());
    let mut known: HashMap<(Vec<ValType>, Vec<ValType>), u32> = HashMap::new();
    let of_helpers = plan.helpers.iter().map(|helper| {
        let (params, results) = helper.signature();
        *known.entry((params, results)).or_insert_with_key(|(params, results)| {
            types.ty().function(params.iter().copied(), results.iter().copied());
            next += 1;
            next - 1
        })
    });
    let of_helpers = of_helpers.collect();
    Ok((types, of_helpers))
}

fn expr(plan: &Plan<'_, '_>, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
    let folded = if lacking(plan, expr).is_empty() { None } else { fold(expr, &plan.globals) };
    match folded {
        Some(value) => Ok(write(value)),
        None => RoundtripReencoder.const_expr(expr.clone()).map_err(lost),
    }
}

fn globals(plan: &Plan<'_, '_>) -> Result<GlobalSection> {
    let mut globals = GlobalSection::new();
    for global in &plan.view.globals {
        let ty = RoundtripReencoder.global_type(global.ty).map_err(lost)?;
        globals.global(ty, &expr(plan, &global.init_expr)?);
    }
    for _ in &plan.dropped {
        globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    }
    for ty in plan.results.iter().flat_map(|r| &r.globals) {
        let zero = match ty {
            wasmparser::ValType::I64 => ConstExpr::i64_const(0),
            wasmparser::ValType::F32 => ConstExpr::f32_const(0.0.into()),
            wasmparser::ValType::F64 => ConstExpr::f64_const(0.0.into()),
            _ => ConstExpr::i32_const(0),
        };
        globals.global(mutable(val_type(*ty)?), &zero);
    }
    Ok(globals)
}

fn mutable(val_type: ValType) -> GlobalType {
    GlobalType { val_type, mutable: true, shared: false }
}

fn elements(plan: &Plan<'_, '_>) -> Result<ElementSection> {
    let mut elements = ElementSection::new();
    let old = plan.lacks(WasmFeatures::BULK_MEMORY) || plan.lacks(WasmFeatures::REFERENCE_TYPES);
    for element in &plan.view.elements {
        match &element.kind {
            ElementKind::Active { table_index, offset_expr } => {
                let offset = expr(plan, offset_expr)?;
                // The short form, without a table index, is the only one that WebAssembly 1.0 knows.
                let table = table_index.filter(|table| !old || *table > 0);
                match functions(&element.items) {
                    Some(functions) if old => elements.active(table, &offset, Elements::Functions(functions.into())),
                    _ => {
                        let items = RoundtripReencoder.element_items(element.items.clone()).map_err(lost)?;
                        elements.active(table, &offset, items)
                    }
                };
            }
            ElementKind::Passive | ElementKind::Declared if plan.lacks(WasmFeatures::BULK_MEMORY) => {}
            ElementKind::Passive | ElementKind::Declared => {
                RoundtripReencoder.parse_element(&mut elements, element.clone()).map_err(lost)?;
            }
        }
    }
    Ok(elements)
}

fn data(plan: &Plan<'_, '_>) -> Result<DataSection> {
    let mut section = DataSection::new();
    for data in &plan.view.data {
        let bytes = data.data.iter().copied();
        match &data.kind {
            DataKind::Active { memory_index, offset_expr } => {
                let offset = expr(plan, offset_expr)?;
                let mode = DataSegmentMode::Active { memory_index: *memory_index, offset: &offset };
                section.segment(DataSegment { mode, data: bytes });
            }
            // What read it is a helper now.
            DataKind::Passive if plan.lacks(WasmFeatures::BULK_MEMORY) => {}
            DataKind::Passive => {
                section.segment(DataSegment { mode: DataSegmentMode::Passive, data: bytes });
            }
        }
    }
    Ok(section)
}

fn code(plan: &Plan<'_, '_>, wasm: &[u8]) -> Result<CodeSection> {
    let view = plan.view;
    let mut code = CodeSection::new();
    for ((func, old), rewrite) in (narrow(view.imported_funcs)..).zip(&view.bodies).zip(&plan.rewrites) {
        match rewrite {
            Rewrite::Copied => {
                code.raw(wasm.get(old.range()).ok_or_else(|| super::body::lost("a body"))?);
            }
            _ => {
                code.function(&body(plan, func, old, *rewrite)?);
            }
        }
        bounded(code.byte_len())?;
    }
    for helper in &plan.helpers {
        code.function(&helper.body(plan));
        bounded(code.byte_len())?;
    }
    Ok(code)
}

fn bounded(bytes: usize) -> Result<()> {
    if bytes > MAX_OUTPUT {
        return Err(Diagnostic::new(
            Code::TooLarge,
            format!("the lowered module would have more than {MAX_OUTPUT} bytes"),
        ));
    }
    Ok(())
}

/// Custom sections as they are. Of the names those of locals, labels and segments go, whose indices may be others now.
fn customs(plan: &Plan<'_, '_>, out: &mut Module) {
    for (name, data) in &plan.view.customs {
        if *name != "name" {
            out.section(&CustomSection { name: (*name).into(), data: (*data).into() });
            continue;
        }
        let reader = wasmparser::BinaryReader::new(data, 0);
        let mut names = NameSection::new();
        for subsection in wasmparser::NameSectionReader::new(reader) {
            // A malformed custom section is no error in core WebAssembly.
            let Ok(subsection) = subsection else { break };
            match subsection {
                Name::Function(map) => {
                    let mut functions = wasm_encoder::NameMap::new();
                    for name in map.into_iter().map_while(Result::ok) {
                        functions.append(name.index, name.name);
                    }
                    for (index, helper) in (narrow(plan.view.funcs.len())..).zip(&plan.helpers) {
                        functions.append(index, &helper.name());
                    }
                    names.functions(&functions);
                }
                Name::Local(_) | Name::Label(_) | Name::Data(_) | Name::Element(_) | Name::Unknown { .. } => {}
                other => {
                    if RoundtripReencoder.parse_custom_name_subsection(&mut names, other).is_err() {
                        break;
                    }
                }
            }
        }
        out.section(&names);
    }
}
