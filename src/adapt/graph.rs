//! Who calls whom in an adapter: which of its exports reach which of its imports.
//!
//! An edge is a direct call or a reference to a function. An indirect call reaches every function of its type that stands in
//! a table or whose reference is taken anywhere. This is what a tool that removes dead code goes by, and never says less
//! than what happens.

use crate::abi::{CoreSignature, ImportName};
use crate::diagnostic::{Diagnostic, Result};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

/// The calls of one core module.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Imported functions; the first functions of the index space.
    pub(super) imports: Vec<ImportName>,
    /// Exported functions.
    pub(super) exports: BTreeMap<String, u32>,
    start: Option<u32>,
    /// By type index; none for a type that others may be a subtype of, or that is not made of numbers.
    signatures: Vec<Option<CoreSignature>>,
    /// Types of all functions.
    types: Vec<u32>,
    /// Of the defined ones.
    bodies: Vec<Body>,
    /// Functions that an indirect call may reach.
    referred: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Body {
    calls: BTreeSet<u32>,
    /// Types of its indirect calls; none where it calls by a reference of unknown type.
    indirect: BTreeSet<Option<u32>>,
    /// It has no way to return.
    never_returns: bool,
}

/// What a function reaches, of the imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Indices of imports that it reaches by direct calls.
    pub(super) direct: BTreeSet<u32>,
    /// Those that it reaches through a table alone.
    pub(super) through_tables: BTreeSet<u32>,
}

impl Graph {
    /// Reads a valid module.
    pub(super) fn of(wasm: &[u8]) -> Result<Graph> {
        let mut graph = Graph::default();
        for payload in Parser::new(0).parse_all(wasm) {
            graph.payload(payload).map_err(|e| Diagnostic::invalid_wasm(&e))?;
        }
        Ok(graph)
    }

    fn payload(
        &mut self,
        payload: Result<Payload<'_>, wasmparser::BinaryReaderError>,
    ) -> Result<(), wasmparser::BinaryReaderError> {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    self.signatures.extend(group?.types().map(signature));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                        let name = ImportName { module: import.module.to_owned(), name: import.name.to_owned() };
                        self.imports.push(name);
                        self.types.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.types.push(ty?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if let ExternalKind::Func | ExternalKind::FuncExact = export.kind {
                        self.exports.insert(export.name.to_owned(), export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::GlobalSection(section) => {
                for global in section {
                    self.constant(global?.init_expr)?;
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    if let wasmparser::TableInit::Expr(expr) = table?.init {
                        self.constant(expr)?;
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.referred.insert(function?);
                            }
                        }
                        ElementItems::Expressions(_, expressions) => {
                            for expression in expressions {
                                self.constant(expression?)?;
                            }
                        }
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let body = self.body(&body)?;
                self.bodies.push(body);
            }
            _ => {}
        }
        Ok(())
    }

    fn constant(&mut self, expr: wasmparser::ConstExpr<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        for op in expr.get_operators_reader() {
            if let Operator::RefFunc { function_index } = op? {
                self.referred.insert(function_index);
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<Body, wasmparser::BinaryReaderError> {
        let mut out = Body::default();
        let (mut last, mut branches) = (false, false);
        for op in body.get_operators_reader()? {
            let op = op?;
            match op {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    out.calls.insert(function_index);
                    branches |= matches!(op, Operator::ReturnCall { .. });
                }
                Operator::RefFunc { function_index } => {
                    self.referred.insert(function_index);
                }
                Operator::CallIndirect { type_index, .. } => {
                    out.indirect.insert(Some(type_index));
                }
                Operator::ReturnCallIndirect { type_index, .. } => {
                    out.indirect.insert(Some(type_index));
                    branches = true;
                }
                Operator::CallRef { .. } => {
                    out.indirect.insert(None);
                }
                Operator::ReturnCallRef { .. } => {
                    out.indirect.insert(None);
                    branches = true;
                }
                Operator::Br { .. }
                | Operator::BrIf { .. }
                | Operator::BrTable { .. }
                | Operator::BrOnNull { .. }
                | Operator::BrOnNonNull { .. }
                | Operator::Return
                | Operator::If { .. }
                | Operator::TryTable { .. } => branches = true,
                _ => {}
            }
            match op {
                Operator::End => {}
                Operator::Unreachable => last = true,
                _ => last = false,
            }
        }
        out.never_returns = last && !branches;
        Ok(out)
    }

    /// Whether a function surely never returns: it ends in a trap, and nothing leaves it before.
    pub(super) fn never_returns(&self, func: u32) -> bool {
        (func as usize)
            .checked_sub(self.imports.len())
            .is_some_and(|i| self.bodies.get(i).is_some_and(|b| b.never_returns))
    }

    /// What `func` reaches.
    pub(super) fn reach(&self, func: u32) -> Reach {
        let imports = |of: &BTreeSet<u32>| of.range(..self.imports.len() as u32).copied().collect::<BTreeSet<u32>>();
        let direct = imports(&self.closure(func, false));
        let all = imports(&self.closure(func, true));
        Reach { through_tables: all.difference(&direct).copied().collect(), direct }
    }

    /// What the module does when it is instantiated.
    pub(super) fn reach_of_start(&self) -> Reach {
        self.start.map(|start| self.reach(start)).unwrap_or_default()
    }

    fn closure(&self, from: u32, indirect: bool) -> BTreeSet<u32> {
        let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(func) = open.pop() {
            let Some(body) = (func as usize).checked_sub(self.imports.len()).and_then(|i| self.bodies.get(i)) else {
                continue;
            };
            let referred = self.referred.iter().filter(|f| indirect && self.may_reach(body, **f));
            for &next in body.calls.iter().chain(referred) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    }

    fn may_reach(&self, body: &Body, func: u32) -> bool {
        let signature = |ty: u32| self.signatures.get(ty as usize).and_then(Option::as_ref);
        let found = self.types.get(func as usize).and_then(|ty| signature(*ty));
        body.indirect.iter().any(|wanted| match (wanted.and_then(signature), found) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        })
    }
}

fn signature(ty: &wasmparser::SubType) -> Option<CoreSignature> {
    match &ty.composite_type.inner {
        wasmparser::CompositeInnerType::Func(func) if ty.is_final => CoreSignature::of(func),
        _ => None,
    }
}
