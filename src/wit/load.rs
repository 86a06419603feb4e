//! From sources to a [`Resolve`].

use super::builtin;
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest, quietly};
use std::collections::BTreeSet;
use wit_component::DecodedWasm;
use wit_parser::{
    PackageId, PackageName, ParseError, Resolve, ResolveError, SourceMap, Span, UnresolvedPackageGroup, WorldId,
};

/// A WIT text and the name by which to speak of it.
#[derive(Debug, Clone)]
pub struct WitFile {
    /// As the user named it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What `cli` found at a path.
#[derive(Debug, Clone)]
pub enum Sources {
    /// The `.wit` files of a package, and its dependencies: text packages and binary ones.
    Text {
        /// The files of the main package.
        main: Vec<WitFile>,
        /// The files of each package under `deps`.
        deps: Vec<Vec<WitFile>>,
        /// Binary packages under `deps`: path and bytes.
        binary_deps: Vec<(String, Vec<u8>)>,
    },
    /// A WIT package or a component in binary form.
    Binary {
        /// As the user named it.
        path: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Feature gates: which `@unstable` items are seen.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Names of features to turn on.
    pub features: Vec<String>,
    /// Turn on all of them.
    pub all: bool,
}

impl Gates {
    pub(super) fn resolve(&self) -> Resolve {
        let mut resolve = Resolve::new();
        resolve.all_features = self.all;
        resolve.features.extend(self.features.iter().cloned());
        resolve
    }
}

/// Loaded WIT.
#[derive(Debug)]
pub struct Loaded {
    /// Everything that was loaded.
    pub resolve: Resolve,
    /// The packages that were asked for, dependencies before dependents.
    pub packages: Vec<PackageId>,
    /// The world, where the source has exactly one by nature: a component.
    pub world: Option<WorldId>,
    /// The texts that it was loaded from; none for binaries.
    pub files: Vec<WitFile>,
}

impl Loaded {
    /// Puts the text of the WIT into the places of an error that names a path and a range alone.
    pub fn with_text(&self, mut error: Box<Diagnostic>) -> Box<Diagnostic> {
        for error in std::iter::once(&mut error.place).chain(error.others.iter_mut().map(|e| &mut e.place)) {
            if let Some(Place::Text { path, source, .. }) = error
                && source.is_empty()
                && let Some(file) = self.files.iter().find(|f| f.path == *path)
            {
                source.clone_from(&file.text);
            }
        }
        error
    }
}

/// Parses and resolves `sources`. Packages that are used but not supplied are taken from the built-in ones.
pub fn load(sources: &Sources, gates: &Gates) -> Result<Loaded> {
    match sources {
        Sources::Binary { path, bytes } => {
            let decoded = decode(path, bytes)?;
            Ok(match decoded {
                DecodedWasm::WitPackage(resolve, package) => {
                    Loaded { resolve, packages: vec![package], world: None, files: Vec::new() }
                }
                DecodedWasm::Component(resolve, world) => {
                    let package = resolve.worlds[world].package;
                    Loaded { resolve, packages: package.into_iter().collect(), world: Some(world), files: Vec::new() }
                }
            })
        }
        Sources::Text { main, deps, binary_deps } => {
            let mut resolve = gates.resolve();
            for (path, bytes) in binary_deps {
                if let DecodedWasm::WitPackage(dep, _) = decode(path, bytes)? {
                    resolve.merge(dep).map_err(|e| {
                        Diagnostic::new(Code::WitParse, "this dependency contradicts another one")
                            .cause(e)
                            .in_file(path, "binary WIT package")
                    })?;
                }
            }
            let files: Vec<&WitFile> = main.iter().chain(deps.iter().flatten()).collect();
            let (main, mut groups) = parse_all(main, deps)?;
            add_built_in(&resolve, &main, &mut groups)?;
            let package =
                resolve.push_groups(main, groups).map_err(|e| resolve_error(&e, &resolve.source_map, &files))?;
            let files = files.into_iter().cloned().collect();
            Ok(Loaded { resolve, packages: vec![package], world: None, files })
        }
    }
}

fn decode(path: &str, bytes: &[u8]) -> Result<DecodedWasm> {
    // The decoder trusts its input to be valid, so that comes first.
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features)
        .validate_all(bytes)
        .map_err(|e| Diagnostic::invalid_wasm(&e).in_file(path, ""))?;
    quietly("decoding WIT", || wit_component::decode(bytes))?.map_err(|e| {
        Diagnostic::new(Code::TypeInformation, "no WIT can be read from this binary")
            .cause(e)
            .in_file(path, "WebAssembly")
    })
}

/// Parses the main package and its dependencies, and says the mistakes of all of them.
fn parse_all(main: &[WitFile], deps: &[Vec<WitFile>]) -> Result<(UnresolvedPackageGroup, Vec<UnresolvedPackageGroup>)> {
    let mut groups = Vec::new();
    let mut mistakes: Option<Box<Diagnostic>> = None;
    for files in std::iter::once(main).chain(deps.iter().map(Vec::as_slice)) {
        match unresolved(files) {
            Ok(group) => groups.push(group),
            Err(error) => {
                mistakes = Some(match mistakes {
                    Some(first) => first.and(*error),
                    None => error,
                });
            }
        }
    }
    match mistakes {
        Some(error) => Err(error),
        None => Ok((groups.remove(0), groups)),
    }
}

/// More mistakes than this are not looked for.
const MAX_MISTAKES: usize = 20;

/// Parses the files of one package. The parser stops at the first mistake; where that is the name of a type that does
/// not exist, another type is put in its place, so that the next mistake is found too.
pub(super) fn unresolved(files: &[WitFile]) -> Result<UnresolvedPackageGroup> {
    let originals: Vec<&WitFile> = files.iter().collect();
    let mut texts = files.to_vec();
    let mut mistakes: Option<Box<Diagnostic>> = None;
    for _ in 0..MAX_MISTAKES {
        let mut map = SourceMap::default();
        for file in &texts {
            map.push_str(&file.path, file.text.as_str());
        }
        let (map, error) = match (map.parse(), mistakes.take()) {
            (Ok(group), None) => return Ok(group),
            (Ok(_), Some(mistakes)) => return Err(mistakes),
            (Err((map, error)), earlier) => {
                mistakes = earlier;
                (map, error)
            }
        };
        let mistake = parse_error(&error, &map, &originals);
        mistakes = Some(match mistakes.take() {
            Some(first) => first.and(*mistake),
            None => mistake,
        });
        if !stand_in(&error, &map, &mut texts) {
            break;
        }
    }
    Err(mistakes.unwrap_or_else(|| Diagnostic::new(Code::Internal, "a WIT error without a mistake")))
}

/// Puts `u8` where a type is named that does not exist. It keeps all places as they are, or does nothing.
fn stand_in(error: &ParseError, map: &SourceMap, texts: &mut [WitFile]) -> bool {
    let wit_parser::ParseErrorKind::ItemNotFound { span, .. } = error.kind() else { return false };
    let Some(location) = map.resolve_span(*span) else { return false };
    let (path, range) = (location.path.to_owned(), location.range);
    let Some(file) = texts.iter_mut().find(|f| f.path == path) else { return false };
    let (Some(before), Some(name)) = (file.text.get(..range.start), file.text.get(range.clone())) else { return false };
    if name.len() < 2 || !names_a_type(before) {
        return false;
    }
    let padded = format!("{:width$}", "u8", width = name.len());
    file.text.replace_range(range, &padded);
    true
}

/// Whether a type stands behind this text: a field, parameter or result, a definition, or an argument of a type.
fn names_a_type(before: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with([':', '=', '<', '(']) || before.ends_with("->") {
        return true;
    }
    let mut depth = 0;
    before.ends_with(',')
        && before.chars().rev().find_map(|c| match c {
            '>' | ')' | '}' => {
                depth += 1;
                None
            }
            '<' | '(' | '{' if depth > 0 => {
                depth -= 1;
                None
            }
            '<' | '(' => Some(true),
            '{' | ';' => Some(false),
            _ => None,
        }) == Some(true)
}

/// Adds the built-in packages that something asks for and nothing supplies.
fn add_built_in(
    resolve: &Resolve,
    main: &UnresolvedPackageGroup,
    groups: &mut Vec<UnresolvedPackageGroup>,
) -> Result<()> {
    let packages = |g: &UnresolvedPackageGroup| {
        g.nested.iter().chain([&g.main]).map(|p| (p.name.clone(), p.foreign_deps.clone())).collect::<Vec<_>>()
    };
    let mut supplied: BTreeSet<PackageName> = resolve.package_names.keys().cloned().collect();
    let mut wanted = BTreeSet::new();
    for (name, needs) in groups.iter().chain([main]).flat_map(packages) {
        supplied.insert(name);
        wanted.extend(needs.keys().cloned());
    }
    if wanted.is_subset(&supplied) {
        return Ok(());
    }
    let mut built_in = Vec::new();
    for file in builtin::groups() {
        built_in.push(unresolved(std::slice::from_ref(&file))?);
    }
    while let Some(name) = wanted.pop_first() {
        if supplied.contains(&name) {
            continue;
        }
        if let Some(i) = built_in.iter().position(|g| g.main.name == name) {
            let group = built_in.swap_remove(i);
            wanted.extend(group.main.foreign_deps.keys().cloned());
            supplied.insert(name);
            groups.push(group);
        }
    }
    Ok(())
}

/// Finds a world by name, or the only one there is.
pub fn select_world(loaded: &Loaded, name: Option<&str>) -> Result<WorldId> {
    if let (Some(world), None) = (loaded.world, name) {
        return Ok(world);
    }
    let resolve = &loaded.resolve;
    resolve.select_world(&loaded.packages, name).map_err(|e| {
        let mut worlds: Vec<&str> =
            loaded.packages.iter().flat_map(|&p| resolve.packages[p].worlds.keys()).map(String::as_str).collect();
        let message = match name {
            Some(name) => format!("there is no world `{name}`"),
            None if worlds.is_empty() => "the package has no world".to_owned(),
            None => "the package has several worlds: name one".to_owned(),
        };
        let wanted = name.unwrap_or_default();
        worlds.sort_by(|a, b| strsim::jaro_winkler(wanted, b).total_cmp(&strsim::jaro_winkler(wanted, a)));
        let mut error = Diagnostic::new(Code::UnknownWorld, message).cause(e);
        if !worlds.is_empty() {
            error = error.fact("worlds", worlds.join(", "));
        }
        match nearest(wanted, worlds.iter().copied()).or(worlds.first().copied()) {
            Some(near) => error.hint(format!("`--world {near}`")),
            None => error,
        }
    })
}

fn parse_error(error: &ParseError, map: &SourceMap, files: &[&WitFile]) -> Box<Diagnostic> {
    let mut diagnostic = Diagnostic::new(Code::WitParse, error.kind().to_string());
    if let Some(place) = text_place(error.kind().span(), map, files) {
        diagnostic = diagnostic.at(place);
    }
    if let wit_parser::ParseErrorKind::ItemNotFound { name, .. } = error.kind()
        && let Some(near) = nearest(name, known_names(files))
    {
        diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
    }
    diagnostic
}

/// Names that a package defines, by the words that come before them, and the types that WIT has.
fn known_names<'f>(files: &[&'f WitFile]) -> Vec<&'f str> {
    const TYPES: [&str; 14] =
        ["bool", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64", "char", "string", "list"];
    const DEFINING: [&str; 9] = ["type", "record", "variant", "enum", "flags", "resource", "interface", "world", "as"];
    let mut names: Vec<&str> = TYPES.to_vec();
    for file in files {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let words: Vec<&str> = file.text.split(|c| !is_word(c)).filter(|w| !w.is_empty()).collect();
        names.extend(words.windows(2).filter(|w| DEFINING.contains(&w[0])).map(|w| w[1]));
    }
    names
}

fn resolve_error(error: &ResolveError, map: &SourceMap, files: &[&WitFile]) -> Box<Diagnostic> {
    use wit_parser::ResolveErrorKind as Kind;
    let mut diagnostic = match error.kind() {
        Kind::PackageNotFound { requested, known, .. } => {
            let names: Vec<String> = known.iter().map(PackageName::to_string).collect();
            let mut d = Diagnostic::new(Code::MissingDependency, format!("package `{requested}` is not here"));
            if !names.is_empty() {
                d = d.fact("have", names.join(", "));
            }
            d.hint(format!("put its WIT under `deps/{}`", requested.name))
        }
        kind => Diagnostic::new(Code::WitParse, kind.to_string()),
    };
    if let Some(place) = text_place(error.kind().span(), map, files) {
        diagnostic = diagnostic.at(place);
    }
    diagnostic
}

/// The place of a span, with the text of its file, so that the renderer can show the line.
fn text_place(span: Span, map: &SourceMap, files: &[&WitFile]) -> Option<Place> {
    let location = map.resolve_span(span)?;
    let file = files.iter().find(|f| f.path == location.path)?;
    Some(Place::Text { path: file.path.clone(), source: file.text.clone(), span: location.range })
}
