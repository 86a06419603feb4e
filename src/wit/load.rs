//! From sources to a [`Resolve`].

use super::mistakes;
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest, quietly};
use wit_component::DecodedWasm;
use wit_parser::{PackageId, Resolve, WorldId};

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
        for place in std::iter::once(&mut error.place).chain(error.others.iter_mut().map(|e| &mut e.place)) {
            if let Some(Place::Text { path, source, .. }) = place
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
            let packages: Vec<&[WitFile]> =
                std::iter::once(main.as_slice()).chain(deps.iter().map(Vec::as_slice)).collect();
            let (resolve, package) = mistakes::resolve(&resolve, &packages)?;
            let files = packages.concat();
            Ok(Loaded { resolve, packages: vec![package], world: None, files })
        }
    }
}

fn decode(path: &str, bytes: &[u8]) -> Result<DecodedWasm> {
    super::refuse_deep(bytes).map_err(|e| e.in_file(path, "WebAssembly"))?;
    // The decoder trusts its input to be valid, so that comes first.
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features)
        .validate_all(bytes)
        .map_err(|e| Diagnostic::invalid_wasm(&e).in_file(path, ""))?;
    super::refuse_cycles(bytes).map_err(|e| e.in_file(path, "WebAssembly"))?;
    quietly("decoding WIT", || wit_component::decode(bytes))?.map_err(|e| {
        Diagnostic::new(Code::TypeInformation, "no WIT can be read from this binary")
            .cause(e)
            .in_file(path, "WebAssembly")
    })
}

/// Finds a world by name, or the only one there is.
pub fn select_world(loaded: &Loaded, name: Option<&str>) -> Result<WorldId> {
    if let (Some(world), None) = (loaded.world, name) {
        return Ok(world);
    }
    let resolve = &loaded.resolve;
    let named = |name: Option<&str>| resolve.select_world(&loaded.packages, name);
    let selected = named(name).or_else(|e| named(name.map(marked).as_deref()).map_err(|_| e));
    selected.map_err(|e| {
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

/// The name of a world with the mark of WIT before each part, which may be a keyword: `%func`, `%a:%b/%world@1.0.0`.
fn marked(name: &str) -> String {
    let (bare, version) = name.split_at(name.find('@').unwrap_or(name.len()));
    format!("%{}{version}", bare.replace(':', ":%").replace('/', "/%"))
}
