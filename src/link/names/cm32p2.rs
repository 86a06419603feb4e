//! The names of build targets, from the world.

use super::super::ir::Component;
use super::ExportName;
use crate::abi::{Abi, Direction, Forms, ImportName, Names, Table, world_functions};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;

/// The new name of every import and export.
pub(super) fn names(
    imports: &[ImportName],
    exports: &[ExportName<'_>],
    component: &Component<'_>,
) -> Result<(Vec<ImportName>, Vec<String>)> {
    let mut table = Table::new(&component.resolve);
    let mut functions = |names| world_functions(&mut table, component.world, Abi { names, forms: Forms::Sync });
    let (full, new) = (functions(Names::Legacy)?, functions(Names::Cm32p2)?);
    // Both lists name the same functions in the same order, unless versions of one interface have one name in the scheme.
    if full.len() != new.len() || full.iter().zip(&new).any(|(a, b)| a.direction != b.direction || a.core != b.core) {
        return Err(Diagnostic::new(Code::NameMapInvalid, "the world has several versions of one interface")
            .fact("names", "`cm32p2` knows one version of each track, such as `@0.2`"));
    }
    let known: HashMap<(bool, &ImportName), &ImportName> =
        full.iter().zip(&new).map(|(a, b)| ((a.direction == Direction::Import, &a.name), &b.name)).collect();
    let unknown = |what: &str, name: &str| {
        Diagnostic::new(Code::NameMapInvalid, format!("the {what} `{name}` has no name in `cm32p2`"))
            .hint("`--name-map short`, or a file, gives it another name")
    };
    let import = |name: &ImportName| {
        known.get(&(true, name)).map(|new| (*new).clone()).ok_or_else(|| unknown("import", &name.to_string()))
    };
    let export = |export: &ExportName<'_>| match export.support(Names::Cm32p2) {
        Some(new) => Ok(new.to_owned()),
        None => {
            let full = ImportName { module: String::new(), name: export.name.to_owned() };
            known.get(&(false, &full)).map(|new| new.name.clone()).ok_or_else(|| unknown("export", export.name))
        }
    };
    Ok((
        imports.iter().map(import).collect::<Result<Vec<_>>>()?,
        exports.iter().map(export).collect::<Result<Vec<_>>>()?,
    ))
}
