//! Finding WIT: a built-in package, a file, a folder with `deps`, a binary.

use super::io::{cannot_read, read};
use crate::adapt::{FileKind, sniff};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::wit::{Gates, Loaded, Sources, WitFile, built_in, load};
use std::path::{Path, PathBuf};

/// WIT, named the same way by every verb.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WitArgs {
    /// Turn on a feature gate of `@unstable` items.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) features: Vec<String>,
    /// Turn on all feature gates.
    #[arg(long)]
    pub(super) all_features: bool,
}

impl WitArgs {
    fn gates(&self) -> Gates {
        Gates { features: self.features.clone(), all: self.all_features }
    }

    /// Loads what `name` names: a path if there is one, else a built-in package.
    pub(super) fn load(&self, name: &Path) -> Result<Loaded> {
        let gates = self.gates();
        if name.exists() || name == Path::new("-") {
            return load(&sources(name)?, &gates);
        }
        let text = name.to_string_lossy();
        if text == "wasi" || text.starts_with("wasi@") || text.contains(':') {
            return built_in(&text, &gates);
        }
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let reason = std::fs::metadata(name).err().unwrap_or(missing);
        Err(cannot_read(&text, &reason)
            .hint("name a WIT file, a folder with WIT, a binary, or a built-in package such as `wasi:http@0.2.12`"))
    }
}

/// Collects the files of a package and its dependencies.
fn sources(path: &Path) -> Result<Sources> {
    if path.is_dir() {
        let main = wit_files(path)?;
        if main.is_empty() {
            return Err(Diagnostic::new(Code::CannotRead, "the folder holds no `.wit` file")
                .in_file(&path.display().to_string(), "folder"));
        }
        let (mut deps, mut binary_deps) = (Vec::new(), Vec::new());
        let folder = path.join("deps");
        if folder.is_dir() {
            for entry in sorted(&folder)? {
                if entry.is_dir() {
                    deps.push(wit_files(&entry)?);
                    continue;
                }
                match entry.extension().and_then(|e| e.to_str()) {
                    Some("wit") => deps.push(vec![wit_file(&entry)?]),
                    Some("wasm" | "wat") => {
                        let input = super::io::read_wasm(Some(&entry))?.0;
                        binary_deps.push((input.name, input.bytes));
                    }
                    _ => {}
                }
            }
        }
        deps.retain(|files| !files.is_empty());
        return Ok(Sources::Text { main, deps, binary_deps });
    }
    let input = read(Some(path))?;
    match sniff(&input.bytes) {
        FileKind::Component => Ok(Sources::Binary { path: input.name, bytes: input.bytes }),
        FileKind::Wat => {
            let (input, kind) = super::io::read_wasm(Some(path))?;
            match kind {
                FileKind::Component => Ok(Sources::Binary { path: input.name, bytes: input.bytes }),
                _ => Err(no_wit(&input.name, kind)),
            }
        }
        kind @ (FileKind::Module
        | FileKind::Gzip
        | FileKind::Native
        | FileKind::Zip
        | FileKind::Html
        | FileKind::Json
        | FileKind::Unknown
        | FileKind::Empty
        | FileKind::Witx) => Err(no_wit(&input.name, kind)),
        FileKind::Wit | FileKind::Text => {
            let main = vec![text(&input.name, input.bytes)?];
            Ok(Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() })
        }
    }
}

fn no_wit(name: &str, kind: FileKind) -> Box<Diagnostic> {
    let error =
        Diagnostic::new(Code::WitParse, "this is not WIT").in_file(name, "").fact("looks like", kind.to_string());
    match kind {
        FileKind::Module => {
            error.hint("a core module holds no WIT of its own; derive from the WIT that it was built with")
        }
        _ => error,
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e: std::io::Error| cannot_read(&folder.display().to_string(), &e);
    let mut paths = std::fs::read_dir(folder)
        .map_err(fail)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(fail)?;
    paths.sort();
    Ok(paths)
}

fn wit_files(folder: &Path) -> Result<Vec<WitFile>> {
    let is_wit = |path: &PathBuf| path.extension().is_some_and(|e| e == "wit") && !path.is_dir();
    sorted(folder)?.iter().filter(|p| is_wit(p)).map(|p| wit_file(p)).collect()
}

fn wit_file(path: &Path) -> Result<WitFile> {
    let input = read(Some(path))?;
    text(&input.name, input.bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<WitFile> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(WitFile { path: name.to_owned(), text }),
        Err(e) => {
            Err(Diagnostic::new(Code::WitParse, format!("not UTF-8 after byte {}", e.utf8_error().valid_up_to()))
                .in_file(name, ""))
        }
    }
}

/// The files of a WITX: every `.witx` in a folder that has any, or one file and what it uses; none if `path` is not WITX.
pub(super) fn witx_files(path: &Path) -> Result<Option<Vec<(String, String)>>> {
    let is_witx = |path: &Path| path.extension().is_some_and(|e| e == "witx");
    let mut paths = match (path.is_dir(), is_witx(path) && path.exists()) {
        (true, _) => sorted(path)?.into_iter().filter(|p| is_witx(p)).collect(),
        (_, true) => vec![path.to_owned()],
        _ => return Ok(None),
    };
    let mut files = Vec::new();
    let mut next = 0;
    while let Some(path) = paths.get(next) {
        let file = wit_file(path)?;
        // What a file uses lies beside it: names alone, no paths.
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for used in uses(&file.text) {
            let used = folder.join(used);
            if !paths.contains(&used) && used.is_file() {
                paths.push(used);
            }
        }
        files.push((file.path, file.text));
        next += 1;
    }
    Ok((!files.is_empty()).then_some(files))
}

/// The names in lines such as `(use "types.witx")`. Whatever is written otherwise is found missing by the reader.
fn uses(text: &str) -> impl Iterator<Item = &str> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("(use \"")?.split('"').next());
    names.filter(|name| !name.contains(['/', '\\']))
}
