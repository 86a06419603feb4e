//! The WASI packages that come with the binary. build.rs takes their text from pinned packages.

use super::load::{Gates, Loaded, WitFile};
use super::mistakes;
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

/// A WIT package: its name, and path and text of its files.
type Package = (&'static str, &'static [(&'static str, &'static str)]);

/// A release of WASI.
struct Release {
    version: &'static str,
    packages: &'static [Package],
}

/// All releases, the one that a name without a version means first.
static RELEASES: [Release; 3] = [
    Release { version: "0.2.12", packages: include!(concat!(env!("OUT_DIR"), "/wasi-0.2.12.rs")) },
    Release { version: "0.3.2", packages: include!(concat!(env!("OUT_DIR"), "/wasi-0.3.2.rs")) },
    // The oldest, for `lowlift diff`.
    Release { version: "0.2.0", packages: include!(concat!(env!("OUT_DIR"), "/wasi-0.2.0.rs")) },
];

impl Release {
    /// Such as `wasi:http@0.2.12`, sorted.
    fn names(&self) -> Vec<String> {
        self.packages.iter().map(|(name, _)| format!("wasi:{name}@{}", self.version)).collect()
    }
}

fn files((_, files): &Package) -> Vec<WitFile> {
    files.iter().map(|(path, text)| WitFile { path: (*path).to_owned(), text: (*text).to_owned() }).collect()
}

/// One group per built-in package, of all releases.
pub(super) fn groups() -> Result<Vec<UnresolvedPackageGroup>> {
    RELEASES.iter().flat_map(|r| r.packages).map(|package| group(&files(package))).collect()
}

fn group(files: &[WitFile]) -> Result<UnresolvedPackageGroup> {
    mistakes::parse(files)
        .map_err(|(_, e)| Diagnostic::new(Code::Internal, "a built-in WASI package does not parse").cause(e))
}

/// The names of the built-in packages, such as `wasi:http@0.2.12`: by release, then sorted.
pub fn built_in_packages() -> Vec<String> {
    RELEASES.iter().flat_map(Release::names).collect()
}

/// Loads all packages of a release and selects by name: `wasi:http@0.2.12`, or `wasi@0.3.2` for all of them. Without a
/// version it is the release that most engines and guests have, 0.2.12.
pub fn built_in(name: &str, gates: &Gates) -> Result<Loaded> {
    let (bare, version) = match name.split_once('@') {
        Some((bare, version)) => (bare, Some(version)),
        None => (name, None),
    };
    let Some(release) = RELEASES.iter().find(|r| version.is_none_or(|v| v == r.version)) else {
        return Err(unknown(name, version.is_some()));
    };
    let mut resolve = gates.resolve();
    let mut groups = Vec::new();
    // The package that nothing else depends on comes last.
    let mut packages: Vec<&Package> = release.packages.iter().collect();
    packages.sort_by_key(|(name, _)| *name == "http");
    let mut texts = Vec::new();
    for package in packages {
        let files = files(package);
        groups.push(group(&files)?);
        texts.extend(files);
    }
    if let Some(main) = groups.pop() {
        resolve
            .push_groups(main, groups)
            .map_err(|e| Diagnostic::new(Code::Internal, "the built-in WASI packages do not resolve").cause(e))?;
    }
    let mut packages = resolve.topological_packages();
    if bare != "wasi" {
        packages.retain(|&id| is_named(&resolve, id, bare));
    }
    if packages.is_empty() {
        return Err(unknown(name, version.is_some()));
    }
    Ok(Loaded { resolve, packages, world: None, files: texts })
}

fn is_named(resolve: &Resolve, id: PackageId, bare: &str) -> bool {
    let name = &resolve.packages[id].name;
    format!("{}:{}", name.namespace, name.name) == bare
}

fn unknown(name: &str, has_version: bool) -> Box<Diagnostic> {
    let names = built_in_packages();
    let mut error = Diagnostic::new(Code::UnknownPackage, format!("`{name}` is not a built-in package"))
        .fact("built in", names.join(", "));
    // Compare like with like: a version that was not typed is no difference.
    let shown = names.iter().map(|n| if has_version { n.as_str() } else { n.split('@').next().unwrap_or(n) });
    if let Some(near) = nearest(name, shown) {
        error = error.hint(format!("did you mean `{near}`?"));
    }
    error.hint("a WIT file or folder is named by its path, such as `./wit`")
}
