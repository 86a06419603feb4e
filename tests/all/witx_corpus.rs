//! The WIT that `wit-parser` and `wit-component` test themselves with: everything that parses is derived and proven, in
//! every form, or refused for a reason that stands here.

use crate::root;
use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, load};
use lowlift::witx::{Options, Scope, derive, print, verify, verify_table};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root("")).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// The sources of a dependency. Cargo has those of this platform on disk, and asks for no others.
pub(crate) fn sources_of(name: &str) -> PathBuf {
    manifest_of(name, "0.254.2")
}

/// The folder of a dependency of this version.
pub(crate) fn manifest_of(name: &str, wanted: &str) -> PathBuf {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo knows its host");
    let metadata = cargo(&["metadata", "--offline", "--format-version", "1", "--filter-platform", host]);
    let json: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = json["packages"].as_array().expect("a list");
    let package = packages.iter().find(|p| p["name"] == name && p["version"] == wanted).expect("a dependency");
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a folder").to_owned()
}

pub(crate) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(OsStr::to_str).unwrap_or_default()
}

fn wit_files(folder: &Path) -> Vec<WitFile> {
    sorted(folder).iter().filter(|path| extension(path) == "wit").map(|path| wit_file(path)).collect()
}

fn wit_file(path: &Path) -> WitFile {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    WitFile { path: path.file_name().expect("a name").to_string_lossy().into_owned(), text }
}

fn binary(path: &Path) -> (String, Vec<u8>) {
    // One of the texts is of an older syntax: then it stays what it is, and is refused.
    let bytes = wat::parse_file(path).or_else(|_| std::fs::read(path)).expect("readable");
    (path.display().to_string(), bytes)
}

/// What is an input: a WIT file, a folder of them with its `deps`, a binary package. Others have outputs beside them.
fn sources(path: &Path) -> Option<Sources> {
    if path.is_dir() {
        let main = wit_files(path);
        let (mut deps, mut binary_deps) = (Vec::new(), Vec::new());
        let folder = path.join("deps");
        for entry in if folder.is_dir() { sorted(&folder) } else { Vec::new() } {
            match extension(&entry) {
                _ if entry.is_dir() => deps.push(wit_files(&entry)),
                "wit" => deps.push(vec![wit_file(&entry)]),
                "wat" | "wasm" => binary_deps.push(binary(&entry)),
                _ => {}
            }
        }
        deps.retain(|files| !files.is_empty());
        return (!main.is_empty()).then_some(Sources::Text { main, deps, binary_deps });
    }
    match extension(path) {
        "wit" => Some(Sources::Text { main: vec![wit_file(path)], deps: Vec::new(), binary_deps: Vec::new() }),
        "wat" | "wasm" => {
            let (path, bytes) = binary(path);
            Some(Sources::Binary { path, bytes })
        }
        _ => None,
    }
}

const MODES: [(&str, Names, Forms); 5] = [
    ("sync", Names::Legacy, Forms::Sync),
    ("async", Names::Legacy, Forms::Async),
    ("all", Names::Legacy, Forms::All),
    ("cm32p2", Names::Cm32p2, Forms::Sync),
    ("canonical", Names::Canonical, Forms::Sync),
];

/// What came of a corpus.
#[derive(Debug, Default)]
struct Tally {
    inputs: usize,
    /// Inputs that load, with the feature gates as they are by default and with all of them on.
    loaded: [usize; 2],
    /// Inputs that do not, by code.
    not_loaded: BTreeMap<&'static str, usize>,
    /// Scopes that were derived and verified, by mode.
    verified: BTreeMap<&'static str, usize>,
    /// What was refused in a scope, by code and message.
    refused: BTreeMap<(&'static str, String), usize>,
}

impl Tally {
    fn of(inputs: impl IntoIterator<Item = PathBuf>) -> Tally {
        let mut tally = Tally::default();
        for path in inputs {
            if let Some(sources) = sources(&path) {
                tally.input(&path, &sources);
            }
        }
        tally
    }

    fn input(&mut self, path: &Path, sources: &Sources) {
        self.inputs += 1;
        let plain = load(sources, &Gates::default());
        if let Err(error) = &plain {
            assert_ne!(error.code, Code::Internal, "{}: {error}", path.display());
            *self.not_loaded.entry(error.code.id()).or_default() += 1;
        }
        if let Ok(loaded) = &plain {
            self.loaded[0] += 1;
            self.derived(path, loaded);
        }
        if !has_gates(sources) {
            self.loaded[1] += usize::from(plain.is_ok());
        } else if let Ok(loaded) = load(sources, &Gates { features: Vec::new(), all: true }) {
            self.loaded[1] += 1;
            self.derived(path, &loaded);
        }
    }

    /// The package, it and all that it depends on, and every world, in every mode.
    fn derived(&mut self, path: &Path, loaded: &Loaded) {
        let resolve = &loaded.resolve;
        let everything = resolve.topological_packages();
        let mut scopes = vec![Scope::Packages(loaded.packages.clone())];
        if everything != loaded.packages {
            scopes.push(Scope::Packages(everything));
        }
        scopes.extend(resolve.worlds.iter().map(|(id, _)| Scope::World(id)));
        for scope in scopes {
            for (mode, names, forms) in MODES {
                let options = Options { abi: Abi { names, forms }, aliases: Vec::new() };
                match derive(resolve, &scope, &options) {
                    Ok(derived) => {
                        verify(resolve, &scope, &derived, &print(&derived.document))
                            .unwrap_or_else(|e| panic!("{} ({mode}, {scope:?}): {e:?}", path.display()));
                        *self.verified.entry(mode).or_default() += 1;
                    }
                    Err(mut error) => {
                        let others = std::mem::take(&mut error.others);
                        for error in others.into_iter().chain([*error]) {
                            *self.refused.entry((error.code.id(), error.message)).or_default() += 1;
                        }
                    }
                }
            }
        }
        // The rest of the types, which no scope may have reached.
        if let Err(error) = verify_table(resolve) {
            assert_eq!(error.code, Code::NotExpressible, "{}: {error:?}", path.display());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [plain, gated] = self.loaded;
        writeln!(f, "{} inputs: {plain} load, {gated} with all gates on", self.inputs)?;
        self.not_loaded.iter().try_for_each(|(code, count)| writeln!(f, "not loaded: {count} {code}"))?;
        self.verified.iter().try_for_each(|(mode, count)| writeln!(f, "verified: {count} {mode}"))?;
        self.refused.iter().try_for_each(|((code, what), count)| writeln!(f, "refused: {count} {code} {what}"))
    }
}

/// A gate can stand in no binary.
fn has_gates(sources: &Sources) -> bool {
    let Sources::Text { main, deps, .. } = sources else { return false };
    main.iter().chain(deps.iter().flatten()).any(|file| file.text.contains("@unstable"))
}

/// Compares with what is known, so that every change is looked at.
fn known(tally: &Tally, want: &str) {
    println!("{tally}");
    let want: String = want.trim().lines().flat_map(|line| [line.trim(), "\n"]).collect();
    assert_eq!(tally.to_string(), want);
}

/// The Component Model has no empty records, tuples and flags either. Under canonical versions, two versions of one
/// interface have one core name.
#[test]
fn the_packages_of_wit_parser_are_derived_and_proven() {
    let inputs = sorted(&sources_of("wit-parser").join("tests/ui"));
    let good = inputs.into_iter().filter(|path| path.file_name() != Some(OsStr::new("parse-fail")));
    known(
        &Tally::of(good),
        "74 inputs: 72 load, 73 with all gates on
         not loaded: 2 LL0501
         verified: 211 all
         verified: 211 async
         verified: 210 canonical
         verified: 210 cm32p2
         verified: 211 sync
         refused: 25 LL0504 a record without fields
         refused: 5 LL0504 a tuple without members
         refused: 5 LL0504 flags without members
         refused: 2 LL0504 two interfaces would share a core name",
    );
}

#[test]
fn the_mistakes_of_wit_parser_have_codes() {
    let tally = Tally::of(sorted(&sources_of("wit-parser").join("tests/ui/parse-fail")));
    known(
        &tally,
        "150 inputs: 0 load, 6 with all gates on
         not loaded: 148 LL0501
         not loaded: 2 LL0509
         verified: 8 all
         verified: 8 async
         verified: 8 canonical
         verified: 8 cm32p2
         verified: 8 sync",
    );
}

/// Some inputs are parts of others, and lack what those have.
#[test]
fn the_packages_of_wit_component_are_derived_and_proven() {
    let tests = sources_of("wit-component").join("tests");
    let cases = sorted(&tests.join("components"));
    let inputs = sorted(&tests.join("interfaces")).into_iter().chain(cases.iter().flat_map(|case| {
        let parts = if case.is_dir() { sorted(case) } else { Vec::new() };
        parts.into_iter().filter(|path| extension(path) == "wit").chain([case.clone()])
    }));
    known(
        &Tally::of(inputs),
        "360 inputs: 333 load, 333 with all gates on
         not loaded: 1 LL0105
         not loaded: 24 LL0501
         not loaded: 2 LL0509
         verified: 761 all
         verified: 761 async
         verified: 756 canonical
         verified: 756 cm32p2
         verified: 761 sync
         refused: 10 LL0504 two interfaces would share a core name",
    );
}
