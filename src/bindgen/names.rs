//! The names that a guest was linked with, by a name map.

use super::plan::Support;
use crate::abi::{ImportName, Names};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::NameMap;
use std::collections::HashSet;

/// What a guest's imports and exports are called.
pub(super) struct Renamed {
    /// In the order of the imports.
    pub(super) imports: Vec<ImportName>,
    /// In the order of the exports.
    pub(super) exports: Vec<String>,
    /// What every guest has.
    pub(super) support: Support,
}

/// The names by `map`. `scheme` is that of the old names.
pub(super) fn renamed(
    map: Option<&NameMap>,
    imports: Vec<ImportName>,
    exports: Vec<String>,
    scheme: Names,
) -> Result<Renamed> {
    let count = exports.len();
    let support = [scheme.memory(), scheme.realloc(), scheme.initialize()];
    let mut old = exports;
    // A world without exports lists none of these.
    let missing = support.iter().filter(|name| !old.iter().any(|old| old == *name)).map(|name| (*name).to_owned());
    let missing: Vec<String> = missing.collect();
    old.extend(missing);
    let (imports, mut exports) = match map {
        None => (imports, old.clone()),
        Some(NameMap::Short) => short(&imports, &old, &support),
        Some(NameMap::Cm32p2) => (
            imports.iter().map(ImportName::to_cm32p2).collect(),
            old.iter().map(|name| crate::abi::cm32p2_export(name)).collect(),
        ),
        Some(NameMap::File(file)) => file.world_names(&imports, &old)?,
    };
    distinct(&imports, &exports)?;
    let new =
        |name: &str| old.iter().position(|old| old == name).map_or_else(|| name.to_owned(), |i| exports[i].clone());
    let support = Support { memory: new(support[0]), realloc: new(support[1]), initialize: new(support[2]) };
    exports.truncate(count);
    Ok(Renamed { imports, exports, support })
}

/// Module `h`, fields `f0`, `f1` and so on in the order of the document. A linked module is numbered by its own imports
/// alone, so these names are a scheme of the firmware, which its guests are given by file.
fn short(imports: &[ImportName], exports: &[String], support: &[&str]) -> (Vec<ImportName>, Vec<String>) {
    let import = |n: usize| ImportName { module: "h".to_owned(), name: format!("f{n}") };
    let mut next = 0;
    let export = |name: &String| {
        if support.contains(&name.as_str()) {
            return name.clone();
        }
        next += 1;
        format!("e{}", next - 1)
    };
    ((0..imports.len()).map(import).collect(), exports.iter().map(export).collect())
}

fn distinct(imports: &[ImportName], exports: &[String]) -> Result<()> {
    let mut known = HashSet::new();
    if let Some(twice) = imports.iter().find(|name| !known.insert(*name)) {
        return Err(Diagnostic::new(Code::NameMapInvalid, format!("two imports would be called `{twice}`")));
    }
    let mut known = HashSet::new();
    match exports.iter().find(|name| !known.insert(*name)) {
        Some(twice) => Err(Diagnostic::new(Code::NameMapInvalid, format!("two exports would be called `{twice}`"))),
        None => Ok(()),
    }
}
