//! What is known of imports without being told: functions of WASI, by their canonical names.

use super::target::{Provided, Target};
use crate::abi::ImportName;
use crate::adapt::{Item, Survey};
use crate::diagnostic::Result;
use crate::wit::{Gates, built_in, built_in_packages};
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

/// Functions by their names in the scheme of build targets, which all versions of a track share.
type Functions = HashMap<ImportName, Provided>;

/// The imports of a module that are functions of the built-in WASI packages. A name under `wasi:` with a version means one
/// thing; where the core signature is another all the same, nothing is known.
pub(super) fn wasi(survey: &Survey) -> Result<Vec<(&ImportName, &'static Provided)>> {
    if !survey.imports.iter().any(|(name, _)| is_wasi(&name.to_cm32p2())) {
        return Ok(Vec::new());
    }
    let functions = functions()?;
    let known = |(name, item)| match item {
        &Item::Func(Some(ref core)) => {
            let name: &ImportName = name;
            let provided = functions.get(&name.to_cm32p2())?;
            (provided.core == *core).then_some((name, provided))
        }
        _ => None,
    };
    Ok(survey.imports.iter().map(|(name, item)| (name, item)).filter_map(known).collect())
}

fn is_wasi(name: &ImportName) -> bool {
    name.module.starts_with("cm32p2|wasi:")
}

/// Read once, and only where it is asked for.
fn functions() -> Result<&'static Functions> {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    if let Some(known) = FUNCTIONS.get() {
        return Ok(known);
    }
    let gates = Gates { all: true, ..Gates::default() };
    let packages = built_in_packages();
    let releases: BTreeSet<&str> = packages.iter().filter_map(|name| Some(name.split_once('@')?.1)).collect();
    let mut functions = Functions::new();
    // Later versions have all functions of the earlier ones in their track.
    for release in releases {
        let loaded = built_in(&format!("wasi@{release}"), &gates)?;
        let target = Target::of_packages(release, &loaded.resolve, &loaded.packages)?;
        let named = target.provided.into_iter().map(|(name, provided)| (name.to_cm32p2(), provided));
        functions.extend(named.filter(|(name, _)| is_wasi(name)));
    }
    Ok(FUNCTIONS.get_or_init(|| functions))
}
