//! What a module declares outside of its code, against what the target has.

use super::fold::fold;
use super::ops::of_type;
use super::plan::Plan;
use super::refuse::Refusals;
use wasmparser::{
    ConstExpr, ElementItems, ElementKind, ExternalKind, FuncType, Operator, TypeRef, ValType, WasmFeatures,
};

/// Refuses what the target lacks, and notes what will be lowered.
pub(super) fn check(plan: &mut Plan<'_, '_>, refusals: &mut Refusals) {
    let mut shape = Shape { plan, refusals };
    shape.types();
    shape.imports_and_exports();
    shape.spaces();
    shape.globals();
    shape.elements();
    for (index, data) in shape.plan.view.data.iter().enumerate() {
        if let wasmparser::DataKind::Active { offset_expr, .. } = &data.kind {
            shape.expr(offset_expr, || format!("the offset of data segment {index}"));
        }
    }
}

struct Shape<'s, 'v, 'a> {
    plan: &'s mut Plan<'v, 'a>,
    refusals: &'s mut Refusals,
}

impl Shape<'_, '_, '_> {
    fn need(&mut self, feature: WasmFeatures, what: impl FnOnce() -> String) {
        if self.plan.lacks(feature) {
            self.refusals.add(feature, what);
        }
    }

    fn value(&mut self, ty: ValType, what: impl FnOnce() -> String) {
        self.need(of_type(ty), || format!("`{ty}` in {}", what()));
    }

    fn types(&mut self) {
        for (index, ty) in self.plan.view.types.iter().enumerate() {
            match ty {
                None => {
                    self.need(WasmFeatures::GC, || format!("type {index} is no plain function type"));
                    self.need(WasmFeatures::MULTI_VALUE, || format!("type {index} is no plain function type"));
                }
                Some(ty) => {
                    for value in ty.params().iter().chain(ty.results()) {
                        self.value(*value, || format!("type {index}"));
                    }
                }
            }
        }
    }

    /// What the host sees keeps its type.
    fn imports_and_exports(&mut self) {
        let view = self.plan.view;
        let several = |ty: Option<&FuncType>| ty.is_some_and(|ty| ty.results().len() > 1);
        for import in &view.imports {
            let name = || format!("the import `{} {}`", shown(import.module), shown(import.name));
            match import.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) if several(view.plain_type(ty)) => {
                    self.need(WasmFeatures::MULTI_VALUE, || format!("{} has several results", name()));
                }
                TypeRef::Global(ty) => {
                    self.value(ty.content_type, name);
                    if ty.mutable {
                        self.need(WasmFeatures::MUTABLE_GLOBAL, || format!("{} is a mutable global", name()));
                    }
                }
                _ => {}
            }
        }
        for export in &view.exports {
            let name = || format!("the export `{}`", shown(export.name));
            match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact if several(view.func_type(export.index)) => {
                    self.need(WasmFeatures::MULTI_VALUE, || format!("{} has several results", name()));
                }
                ExternalKind::Global => {
                    let defined = (export.index as usize).checked_sub(view.imported_globals);
                    if defined.and_then(|i| view.globals.get(i)).is_some_and(|g| g.ty.mutable) {
                        self.need(WasmFeatures::MUTABLE_GLOBAL, || format!("{} is a mutable global", name()));
                    }
                }
                _ => {}
            }
        }
        // A host that calls through a table, or takes a reference, sees the type as well.
        let mut shared: Vec<u32> = match (self.plan.lacks(WasmFeatures::REFERENCE_TYPES), view.shares_table()) {
            (false, _) => (0..super::plan::narrow(view.funcs.len())).collect(),
            (true, true) => view.in_segments().into_iter().collect(),
            (true, false) => return,
        };
        shared.retain(|func| several(view.func_type(*func)));
        shared.sort_unstable();
        for func in shared {
            self.need(WasmFeatures::MULTI_VALUE, || {
                format!("{} has several results and can be called from outside", view.call(func))
            });
        }
    }

    fn spaces(&mut self) {
        let view = self.plan.view;
        if view.table_types.len() > 1 {
            self.need(WasmFeatures::REFERENCE_TYPES, || format!("{} tables", view.table_types.len()));
        }
        for ty in &view.table_types {
            if !ty.element_type.is_func_ref() {
                self.value(ValType::Ref(ty.element_type), || "a table".to_owned());
            }
            if ty.table64 {
                self.need(WasmFeatures::MEMORY64, || "a 64-bit table".to_owned());
            }
        }
        for (index, table) in view.tables.iter().enumerate() {
            if let wasmparser::TableInit::Expr(_) = &table.init {
                self.need(WasmFeatures::FUNCTION_REFERENCES, || format!("the initial value of table {index}"));
            }
        }
        if view.memories.len() > 1 {
            self.need(WasmFeatures::MULTI_MEMORY, || format!("{} memories", view.memories.len()));
        }
        if view.memories.iter().any(|m| m.memory64) {
            self.need(WasmFeatures::MEMORY64, || "a 64-bit memory".to_owned());
        }
        if view.memories.iter().any(|m| m.shared) {
            self.need(WasmFeatures::THREADS, || "a shared memory".to_owned());
        }
        if !view.tags.is_empty() {
            self.need(WasmFeatures::EXCEPTIONS, || format!("{} tags", view.tags.len()));
        }
    }

    fn globals(&mut self) {
        for (index, global) in self.plan.view.globals.iter().enumerate() {
            let name = || format!("global {}", self.plan.view.imported_globals + index);
            let name = name();
            self.value(global.ty.content_type, || name.clone());
            self.expr(&global.init_expr, || format!("the initial value of {name}"));
        }
    }

    /// A constant expression: folded where the target would not take it.
    fn expr(&mut self, expr: &ConstExpr<'_>, what: impl Fn() -> String) {
        let lacking = lacking(self.plan, expr);
        for feature in &lacking {
            if fold(expr, &self.plan.globals).is_some() {
                self.plan.note(crate::profile::name_of(*feature));
            } else {
                self.need(*feature, || format!("{} is not known before the module runs", what()));
            }
        }
    }

    fn elements(&mut self) {
        let view = self.plan.view;
        let bulk = WasmFeatures::BULK_MEMORY;
        for (index, element) in view.elements.iter().enumerate() {
            match &element.kind {
                ElementKind::Active { table_index, offset_expr } => {
                    if let Some(table) = table_index.filter(|t| *t > 0) {
                        self.need(WasmFeatures::REFERENCE_TYPES, || {
                            format!("element segment {index} is for table {table}")
                        });
                    }
                    self.expr(offset_expr, || format!("the offset of element segment {index}"));
                    if functions(&element.items).is_none() {
                        self.need(WasmFeatures::REFERENCE_TYPES, || {
                            format!("element segment {index} holds more than functions")
                        });
                        self.need(bulk, || format!("element segment {index} holds more than functions"));
                    }
                }
                // References to functions stay where the target has them, and must be declared.
                ElementKind::Declared if !self.plan.lacks(WasmFeatures::REFERENCE_TYPES) => {
                    self.need(bulk, || format!("element segment {index} declares references"));
                }
                // Where nothing can use them, they are left away; what uses them is refused.
                ElementKind::Declared | ElementKind::Passive => {}
            }
        }
    }
}

/// What the target lacks of the features of a constant expression.
pub(super) fn lacking(plan: &Plan<'_, '_>, expr: &ConstExpr<'_>) -> Vec<WasmFeatures> {
    let mut features = Vec::new();
    for op in expr.get_operators_reader().into_iter().flatten() {
        let feature = match op {
            Operator::GlobalGet { global_index } if (global_index as usize) < plan.view.imported_globals => continue,
            Operator::GlobalGet { .. } => WasmFeatures::GC,
            Operator::I32Add
            | Operator::I32Sub
            | Operator::I32Mul
            | Operator::I64Add
            | Operator::I64Sub
            | Operator::I64Mul => WasmFeatures::EXTENDED_CONST,
            op => super::ops::feature(&op),
        };
        if plan.lacks(feature) && !features.contains(&feature) {
            features.push(feature);
        }
    }
    features
}

/// The functions of a segment, if it holds nothing else.
pub(super) fn functions(items: &ElementItems<'_>) -> Option<Vec<u32>> {
    match items {
        ElementItems::Functions(items) => items.clone().into_iter().collect::<Result<Vec<u32>, _>>().ok(),
        ElementItems::Expressions(_, items) => items
            .clone()
            .into_iter()
            .map(|expr| {
                let mut ops = expr.ok()?.get_operators_reader().into_iter();
                match (ops.next()?.ok()?, ops.next()?.ok()?) {
                    (Operator::RefFunc { function_index }, Operator::End) => Some(function_index),
                    _ => None,
                }
            })
            .collect(),
    }
}

/// A name that may be long, for a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(120).collect()
}
