//! Bounds what a component unfolds to, before anything unfolds it.
//!
//! A component of a few kilobytes can instantiate two copies of a component that instantiates two copies, and so on. The
//! count here reads sections alone, and errs upwards where it would have to follow values.

use super::plan::MAX_INSTANCES;
use crate::diagnostic::{Code, Diagnostic, Result};
use wasmparser::{
    Chunk, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Parser,
    Payload,
};

/// Components within components; no toolchain comes near it.
const MAX_DEPTH: usize = 100;

/// A component that is being read.
#[derive(Default)]
struct Scope {
    /// Core instances that one instantiation of each component makes, by index.
    components: Vec<u64>,
    /// Core instances of this component so far.
    instances: u64,
}

/// Refuses components that unfold to more than the linker takes. Malformed ones pass: the validator says more about them.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let mut parsers = vec![Parser::new(0)];
    let mut scopes = vec![Scope::default()];
    let mut largest = 0;
    let mut rest = bytes;
    while let (Some(parser), Some(scope)) = (parsers.last_mut(), scopes.last_mut()) {
        let Ok(Chunk::Parsed { payload, consumed }) = parser.parse(rest, true) else { return Ok(()) };
        rest = &rest[consumed..];
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                rest = rest.get(unchecked_range.len()..).unwrap_or_default();
            }
            Payload::ComponentSection { parser, .. } => {
                if scopes.len() > MAX_DEPTH {
                    return Err(too_large(format!("components nest more than {MAX_DEPTH} deep")));
                }
                parsers.push(parser);
                scopes.push(Scope::default());
            }
            Payload::InstanceSection(section) => {
                let instantiated = section.into_iter().flatten();
                let count = instantiated.filter(|i| matches!(i, wasmparser::Instance::Instantiate { .. })).count();
                scope.instances = scope.instances.saturating_add(count as u64);
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.into_iter().flatten() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        let count = scope.components.get(component_index as usize).copied().unwrap_or(largest);
                        // An instantiation costs something even if it makes no core instance.
                        scope.instances = scope.instances.saturating_add(count.max(1));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => aliases(section, &mut scopes, largest),
            Payload::ComponentImportSection(section) => {
                let imports = section.into_iter().flatten();
                let components = imports.filter(|i| matches!(i.ty, ComponentTypeRef::Component(_)));
                scope.components.extend(components.map(|_| largest));
            }
            Payload::ComponentExportSection(section) => {
                // Exporting a component adds it to the index space again.
                for export in section.into_iter().flatten() {
                    if export.kind == ComponentExternalKind::Component {
                        let count = scope.components.get(export.index as usize).copied().unwrap_or(largest);
                        scope.components.push(count);
                    }
                }
            }
            Payload::End(_) => {
                let done = scope.instances;
                parsers.pop();
                scopes.pop();
                largest = largest.max(done);
                if let Some(outer) = scopes.last_mut() {
                    outer.components.push(done);
                }
            }
            _ => {}
        }
        if scopes.iter().any(|s| s.instances > MAX_INSTANCES as u64) {
            return Err(too_large(format!("more than {MAX_INSTANCES} instances")));
        }
    }
    Ok(())
}

fn aliases(section: wasmparser::ComponentAliasSectionReader<'_>, scopes: &mut [Scope], largest: u64) {
    for alias in section.into_iter().flatten() {
        let count = match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = scopes.len().checked_sub(1 + count as usize).and_then(|i| scopes.get(i));
                outer.and_then(|s| s.components.get(index as usize)).copied().unwrap_or(largest)
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => largest,
            _ => continue,
        };
        if let Some(scope) = scopes.last_mut() {
            scope.components.push(count);
        }
    }
}

fn too_large(message: String) -> Box<Diagnostic> {
    Diagnostic::new(Code::TooLarge, message)
}
