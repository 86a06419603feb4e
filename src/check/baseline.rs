//! Findings that are known, and so do not fail.

use super::report::Module;
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A known finding. A file of the same name elsewhere is the same module, so that builds may lie anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name of the module's file, without folders.
    pub module: String,
    /// The name of the rule.
    pub rule: String,
    /// What the finding is about.
    pub subject: String,
}

/// All known findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline(BTreeSet<Entry>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    findings: Vec<Entry>,
}

const VERSION: u32 = 1;

impl Baseline {
    /// Reads one. `path` is how the user named it. Fails with [`Code::BaselineInvalid`] and the place.
    pub fn parse(path: &str, text: &str) -> Result<Baseline> {
        let wrong = |line: usize, column: usize, message: &str| {
            let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
            let at = (start + column.saturating_sub(1)).min(text.len());
            let place = Place::Text { path: path.to_owned(), source: text.to_owned(), span: at..at };
            Diagnostic::new(Code::BaselineInvalid, message).at(place)
        };
        let file: File = serde_json::from_str(text).map_err(|e| wrong(e.line(), e.column(), &e.to_string()))?;
        if file.version != VERSION {
            return Err(wrong(1, 1, &format!("version {} of baselines is not known", file.version)));
        }
        Ok(Baseline(file.findings.into_iter().collect()))
    }

    /// All findings of these modules.
    pub fn of(modules: &[Module]) -> Baseline {
        Baseline(modules.iter().flat_map(entries).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a file: sorted, one finding after the other.
    pub fn text(&self) -> String {
        let file = File { version: VERSION, findings: self.0.iter().cloned().collect() };
        let text = serde_json::to_string_pretty(&file).expect("strings and numbers are JSON");
        text + "\n"
    }

    /// Marks the findings that are known. Gives the entries of these modules that no longer occur.
    pub fn mark(&self, modules: &mut [Module]) -> Vec<Entry> {
        let mut left: BTreeSet<&Entry> = self.0.iter().collect();
        let judged: BTreeSet<String> = modules.iter().map(|module| module.file().to_owned()).collect();
        for module in modules {
            let entries: Vec<Entry> = entries(module).collect();
            for (finding, entry) in module.checked.findings.iter_mut().zip(entries) {
                finding.known = self.0.contains(&entry);
                left.remove(&entry);
            }
        }
        left.into_iter().filter(|entry| judged.contains(&entry.module)).cloned().collect()
    }
}

/// The findings of a module as entries.
fn entries(module: &Module) -> impl Iterator<Item = Entry> {
    module.checked.findings.iter().map(|finding| {
        let (rule, subject) = (finding.rule.id.to_owned(), finding.subject.clone());
        Entry { module: module.file().to_owned(), rule, subject }
    })
}
