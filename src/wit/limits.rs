//! What is refused before `wit-parser` sees it, or before it resolves: input on which the library would take more time,
//! memory or stack than any real WIT needs.

use super::load::WitFile;
use super::scan;
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use wit_parser::{Type, TypeDefKind, TypeId, UnresolvedPackage, UnresolvedPackageGroup};

/// All WIT of WASI 0.2.12 is a tenth of this.
const MAX_TEXT: usize = 4 << 20;
/// As many as a core function may have.
const MAX_PARAMS: usize = 1000;
/// Attributes that the parser reads to the end of the file, each.
const MAX_EXTERNAL_IDS: usize = 1000;
/// Packages depend on each other this deep at most.
const MAX_PACKAGES: usize = 1000;
/// The library follows types by recursion; the sum over all packages.
const MAX_DEPTH: usize = 1000;
/// Each world, and each `include`, can hold a copy of everything.
const MAX_COPIES: usize = 1 << 20;

/// Refuses a text.
pub(super) fn check_text(file: &WitFile) -> Result<()> {
    let refuse = |message: String| Err(Diagnostic::new(Code::WitParse, message).in_file(&file.path, ""));
    if file.text.len() > MAX_TEXT {
        return refuse(format!("more than {MAX_TEXT} bytes of WIT"));
    }
    let bare = scan::bare(&file.text);
    if scan::words(&bare).filter(|w| *w == "external-id").count() > MAX_EXTERNAL_IDS {
        return refuse(format!("more than {MAX_EXTERNAL_IDS} `@external-id`"));
    }
    let mut commas = None;
    for (i, b) in bare.bytes().enumerate() {
        match b {
            b'(' => commas = Some(0),
            b')' | b'{' | b'}' | b';' => commas = None,
            b',' => commas = commas.map(|n| n + 1),
            _ => {}
        }
        if commas > Some(MAX_PARAMS) {
            let message = format!("a function of more than {MAX_PARAMS} parameters");
            let place = Place::Text { path: file.path.clone(), source: file.text.clone(), span: i..i + 1 };
            return Err(Diagnostic::new(Code::WitParse, message).at(place));
        }
    }
    Ok(())
}

/// Refuses packages that parse.
pub(super) fn check_packages(groups: &[UnresolvedPackageGroup]) -> Result<()> {
    let packages: Vec<&UnresolvedPackage> = groups.iter().flat_map(|g| g.nested.iter().chain([&g.main])).collect();
    let refuse = |message: String| Err(Diagnostic::new(Code::WitParse, message));
    if packages.len() > MAX_PACKAGES {
        return refuse(format!("more than {MAX_PACKAGES} packages"));
    }
    if packages.iter().map(|p| depth(p)).sum::<usize>() > MAX_DEPTH {
        return Err(Diagnostic::new(Code::NotExpressible, format!("types nested more than {MAX_DEPTH} deep")));
    }
    let (mut copies, mut items) = (0, 0);
    for package in packages {
        items += package.types.len() + package.interfaces.len();
        for (_, world) in package.worlds.iter() {
            copies += 1 + world.includes.len();
            items += world.imports.len() + world.exports.len();
        }
    }
    if copies * items > MAX_COPIES {
        return refuse("worlds that hold too many copies of each other".to_owned());
    }
    Ok(())
}

/// How deep the types of a package nest. They stand in order, so that one pass is enough.
fn depth(package: &UnresolvedPackage) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(package.types.len());
    for (_, def) in package.types.iter() {
        let below = parts(&def.kind).into_iter().map(|id| depths.get(id.index()).copied().unwrap_or(0)).max();
        depths.push(1 + below.unwrap_or(0));
    }
    depths.into_iter().max().unwrap_or(0)
}

/// The types that a type is made of.
fn parts(kind: &TypeDefKind) -> Vec<TypeId> {
    let types: Vec<Option<Type>> = match kind {
        TypeDefKind::Record(r) => r.fields.iter().map(|f| Some(f.ty)).collect(),
        TypeDefKind::Tuple(t) => t.types.iter().copied().map(Some).collect(),
        TypeDefKind::Variant(v) => v.cases.iter().map(|c| c.ty).collect(),
        TypeDefKind::Result(r) => vec![r.ok, r.err],
        TypeDefKind::Map(key, value) => vec![Some(*key), Some(*value)],
        TypeDefKind::Option(t) | TypeDefKind::List(t) | TypeDefKind::FixedLengthList(t, _) | TypeDefKind::Type(t) => {
            vec![Some(*t)]
        }
        TypeDefKind::Future(t) | TypeDefKind::Stream(t) => vec![*t],
        TypeDefKind::Handle(_)
        | TypeDefKind::Resource
        | TypeDefKind::Flags(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Unknown => Vec::new(),
    };
    types.into_iter().flatten().filter_map(|t| if let Type::Id(id) = t { Some(id) } else { None }).collect()
}
