//! Names from a file.
//!
//! ```toml
//! [imports]
//! "wasi:cli/stdout@0.2.12 get-stdout" = "env get_stdout"
//!
//! [exports]
//! "wasi:cli/run@0.2.12#run" = "run"
//! ```

use super::ExportName;
use crate::abi::ImportName;
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
    imports: Pairs,
    exports: Pairs,
}

impl NameFile {
    /// Reads a name map. `path` is how the user named it. Fails with [`Code::NameMapInvalid`], with the place.
    pub fn parse(path: &str, text: &str) -> Result<NameFile> {
        let mut file =
            NameFile { path: path.to_owned(), text: text.to_owned(), imports: Pairs::new(), exports: Pairs::new() };
        let read: File = toml::from_str(text).map_err(|e| file.wrong(e.span().unwrap_or(0..0), e.message()))?;
        (file.imports, file.exports) = (read.imports, read.exports);
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

    /// The new name of every import and export.
    pub(super) fn names(
        &self,
        imports: &[ImportName],
        exports: &[ExportName<'_>],
    ) -> Result<(Vec<ImportName>, Vec<String>)> {
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
        let exports: Vec<ExportName<'_>> = exports.iter().map(|name| ExportName { name, is_memory: false }).collect();
        self.names(imports, &exports)
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
