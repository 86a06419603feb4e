//! The WASI packages that come with the binary. build.rs takes their text from the pinned `wasip2` package.

use super::load::{Gates, Loaded, WitFile, unresolved};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use wit_parser::{PackageId, Resolve};

/// The version of every built-in package.
pub const BUILT_IN_VERSION: &str = "0.2.12";

static WASI_0_2_12: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/wasi-0.2.12.rs"));

/// One group per built-in package.
pub(super) fn groups() -> impl Iterator<Item = WitFile> {
    WASI_0_2_12.iter().map(|(path, text)| WitFile { path: (*path).to_owned(), text: (*text).to_owned() })
}

/// The names of the built-in packages, sorted, such as `wasi:http@0.2.12`.
pub fn built_in_packages() -> Vec<String> {
    let mut names: Vec<String> = WASI_0_2_12
        .iter()
        .filter_map(|(path, _)| path.rsplit('/').next()?.strip_suffix(".wit"))
        .map(|package| format!("wasi:{package}@{BUILT_IN_VERSION}"))
        .collect();
    names.sort();
    names
}

/// Loads all built-in packages and selects one by name: `wasi:http`, `wasi:http@0.2.12`, or `wasi`, `wasi@0.2.12` for all
/// of them.
pub fn built_in(name: &str, gates: &Gates) -> Result<Loaded> {
    let mut resolve = gates.resolve();
    let mut groups = Vec::new();
    for file in groups_in_order() {
        groups.push(unresolved(std::slice::from_ref(&file))?);
    }
    let mut packages = Vec::new();
    if let Some(main) = groups.pop() {
        resolve
            .push_groups(main, groups)
            .map_err(|e| Diagnostic::new(Code::Internal, "the built-in WASI packages do not resolve").cause(e))?;
        packages = resolve.topological_packages();
    }
    let (bare, version) = match name.split_once('@') {
        Some((bare, version)) => (bare, Some(version)),
        None => (name, None),
    };
    let known = version.is_none_or(|v| v == BUILT_IN_VERSION);
    if known && bare == "wasi" {
        return Ok(Loaded { resolve, packages, world: None });
    }
    let found = packages.iter().copied().find(|&id| known && is_named(&resolve, id, bare));
    match found {
        Some(id) => Ok(Loaded { resolve, packages: vec![id], world: None }),
        None => {
            let names = built_in_packages();
            let mut error = Diagnostic::new(Code::UnknownPackage, format!("`{name}` is not a built-in package"))
                .fact("built in", names.join(", "));
            // Compare like with like: a version that was not typed is no difference.
            let shown =
                names.iter().map(|n| if version.is_some() { n.as_str() } else { n.split('@').next().unwrap_or(n) });
            if let Some(near) = nearest(name, shown) {
                error = error.hint(format!("did you mean `{near}`?"));
            }
            Err(error.hint("a WIT file or folder is named by its path, such as `./wit`"))
        }
    }
}

/// All groups, the one that nothing else depends on last.
fn groups_in_order() -> Vec<WitFile> {
    let mut all: Vec<WitFile> = groups().collect();
    all.sort_by_key(|file| file.path.ends_with("/http.wit"));
    all
}

fn is_named(resolve: &Resolve, id: PackageId, bare: &str) -> bool {
    let name = &resolve.packages[id].name;
    format!("{}:{}", name.namespace, name.name) == bare
}
