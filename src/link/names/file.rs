//! Names from a file.
//!
//! ```toml
//! [imports]
//! "wasi:cli/stdout@0.2.12 get-stdout" = "env get_stdout"
//!
//! [exports]
//! "wasi:cli/run@0.2.12#run" = "run"
//! ```
//!
//! A file with a `host` has all names of that host, as `lowlift bindgen` writes it: a module has some of them, and imports
//! nothing else.

use super::ExportName;
use crate::abi::ImportName;
use crate::adapt::PREVIEW1;
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use toml::Spanned;

type Pairs = BTreeMap<Spanned<String>, Spanned<String>>;

/// A name map as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    host: Option<String>,
    #[serde(default)]
    imports: Pairs,
    #[serde(default)]
    exports: Pairs,
}

/// A name map that was read, with its text, so that messages can point into it.
#[derive(Debug, Clone)]
pub struct NameFile {
    path: String,
    text: String,
    host: Option<String>,
    imports: Pairs,
    exports: Pairs,
}

impl NameFile {
    /// Reads a name map. `path` is how the user named it. Fails with [`Code::NameMapInvalid`], with the place.
    pub fn parse(path: &str, text: &str) -> Result<NameFile> {
        let (path, text) = (path.to_owned(), text.to_owned());
        let mut file = NameFile { path, text, host: None, imports: Pairs::new(), exports: Pairs::new() };
        let read: File = toml::from_str(&file.text).map_err(|e| file.wrong(e.span().unwrap_or(0..0), e.message()))?;
        (file.host, file.imports, file.exports) = (read.host, read.imports, read.exports);
        for new in file.imports.values() {
            if split(new.get_ref()).is_none() {
                let text = format!("`{}` is not a module and a field with one space between", new.get_ref());
                return Err(file.wrong(new.span(), &text));
            }
        }
        Ok(file)
    }

    fn wrong(&self, span: Range<usize>, message: &str) -> Box<Diagnostic> {
        let place = Place::Text { path: self.path.clone(), source: self.text.clone(), span };
        Diagnostic::new(Code::NameMapInvalid, message.trim_end()).at(place)
    }

    /// The new name of every import and export of a module.
    pub(super) fn names(
        &self,
        imports: &[ImportName],
        exports: &[ExportName<'_>],
    ) -> Result<(Vec<ImportName>, Vec<String>)> {
        let Some(host) = &self.host else { return self.all_names(imports, exports) };
        // What preview1 has is the engine's own.
        self.covers(host, imports.iter().filter(|name| name.module != PREVIEW1))?;
        let mut of_module = self.clone();
        let imported: HashSet<String> = imports.iter().map(ToString::to_string).collect();
        of_module.imports.retain(|full, _| imported.contains(full.get_ref()));
        of_module.exports.retain(|full, _| exports.iter().any(|export| export.name == full.get_ref()));
        of_module.all_names(imports, exports)
    }

    /// A host has no import that its file does not name.
    fn covers<'n>(&self, host: &str, mut imports: impl Iterator<Item = &'n ImportName>) -> Result<()> {
        let Some(missing) = imports.find(|name| !self.imports.contains_key(name.to_string().as_str())) else {
            return Ok(());
        };
        let error = Diagnostic::new(Code::NameMapInvalid, format!("the host `{host}` has no function `{missing}`"));
        let error = error.in_file(&self.path, "name map");
        Err(match nearest(&missing.to_string(), self.imports.keys().map(|full| full.get_ref().as_str())) {
            Some(near) => error.hint(format!("the nearest name there is `{near}`")),
            None => error,
        }
        .hint("`lowlift check --against` compares a module with the WIT of its host")
        .hint("`lowlift bindgen --name-map-out` writes the file anew, if the host has changed"))
    }

    /// The new names; all that the file names must be there.
    fn all_names(&self, imports: &[ImportName], exports: &[ExportName<'_>]) -> Result<(Vec<ImportName>, Vec<String>)> {
        let exports: Vec<&str> = exports.iter().map(|e| e.name).collect();
        let full: Vec<String> = imports.iter().map(ToString::to_string).collect();
        let full: Vec<&str> = full.iter().map(String::as_str).collect();
        let new_imports = self.renamed(&self.imports, &full, "import")?;
        let new_exports = self.renamed(&self.exports, &exports, "export")?;
        // Names that stay may hold any number of spaces.
        let import = |(old, new): (&ImportName, String)| match split(&new) {
            Some((module, name)) if new != old.to_string() => {
                ImportName { module: module.to_owned(), name: name.to_owned() }
            }
            _ => old.clone(),
        };
        Ok((imports.iter().zip(new_imports).map(import).collect(), new_exports))
    }

    /// The new names of the imports and exports of a whole world, of which a module has some.
    pub(crate) fn world_names(
        &self,
        imports: &[ImportName],
        exports: &[String],
    ) -> Result<(Vec<ImportName>, Vec<String>)> {
        if let Some(host) = &self.host {
            self.covers(host, imports.iter())?;
        }
        let exports: Vec<ExportName<'_>> = exports.iter().map(|name| ExportName { name, is_memory: false }).collect();
        self.all_names(imports, &exports)
    }

    fn renamed(&self, pairs: &Pairs, names: &[&str], what: &str) -> Result<Vec<String>> {
        let known: HashSet<&str> = names.iter().copied().collect();
        for full in pairs.keys() {
            if !known.contains(full.get_ref().as_str()) {
                let error = self.wrong(full.span(), &format!("the module has no {what} `{}`", full.get_ref()));
                return Err(match nearest(full.get_ref(), names.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        let stay = names.iter().filter(|name| !pairs.contains_key(**name)).copied();
        let mut taken: HashSet<&str> = stay.collect();
        for new in pairs.values() {
            if !taken.insert(new.get_ref()) {
                return Err(self.wrong(new.span(), &format!("another {what} is called `{}` too", new.get_ref())));
            }
        }
        let new = |name: &&str| pairs.get(*name).map_or_else(|| (*name).to_owned(), |new| new.get_ref().clone());
        Ok(names.iter().map(new).collect())
    }
}

/// Module and field.
fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once(' ').filter(|(module, name)| !module.is_empty() && !name.is_empty() && !name.contains(' '))
}

/// The file of a host, with full and new names of its imports and exports.
pub(crate) fn host_file<'n>(
    host: &str,
    abi_hash: &str,
    imports: impl Iterator<Item = (ImportName, &'n ImportName)>,
    exports: impl Iterator<Item = (&'n str, &'n str)>,
) -> String {
    let pair = |full: &str, new: &str| format!("{} = {}\n", quoted(full), quoted(new));
    let mut text = format!("# All names of a host, for `lowlift link --name-map`. ABI {abi_hash}\n");
    text.push_str(&format!("host = {}\n\n[imports]\n", quoted(host)));
    text.extend(imports.map(|(full, new)| pair(&full.to_string(), &new.to_string())));
    text.push_str("\n[exports]\n");
    text.extend(exports.filter(|(full, new)| full != new).map(|(full, new)| pair(full, new)));
    text
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
