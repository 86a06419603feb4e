//! The forms in which findings are told: text, JSON, SARIF, JUnit, Markdown.

mod json;
mod junit;
mod markdown;
mod sarif;

pub use json::{FindingSheet, ModuleSheet, PlaceSheet, Sheet, Weight};

use super::baseline::Entry;
use super::finding::{Checked, Finding};
use crate::diagnostic::{Color, printable, to_text};

/// A module that was judged.
#[derive(Debug)]
pub struct Module {
    /// Its path, as the user named it.
    pub name: String,
    /// One line on what it is.
    pub what: String,
    /// Whether offsets of findings are those of the file: it was neither text nor linked first.
    pub binary: bool,
    /// What was found.
    pub checked: Checked,
}

impl Module {
    /// The name of the file, without folders.
    pub fn file(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name)
    }
}

/// All modules of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// What they were compared with.
    pub against: Option<String>,
    /// The engine by which they were judged.
    pub profile: Option<String>,
    /// The modules.
    pub modules: Vec<Module>,
    /// What the baseline has of these modules and no longer occurs.
    pub stale: Vec<Entry>,
}

impl Report {
    /// Whether any finding fails.
    pub fn failed(&self) -> bool {
        self.modules.iter().any(|module| module.checked.failed())
    }

    /// All findings, with their modules.
    fn findings(&self) -> impl Iterator<Item = (&Module, &Finding)> {
        self.modules.iter().flat_map(|module| module.checked.findings.iter().map(move |finding| (module, finding)))
    }

    /// For people. `quiet` leaves away what is fine; findings that are known are counted and not shown, unless `verbose`.
    pub fn text(&self, color: Color, verbose: bool, quiet: bool) -> String {
        let mut text = String::new();
        for module in &self.modules {
            for finding in module.checked.findings.iter().filter(|finding| verbose || !finding.known) {
                let mut diagnostic = finding.in_file(&module.name, &module.what, module.binary);
                if finding.known {
                    diagnostic = diagnostic.fact("known", "the baseline has it");
                }
                text.push_str(&to_text(&diagnostic, color, verbose));
                text.push_str("\n\n");
            }
            if !quiet {
                text.push_str(&self.verdict(module));
                text.push('\n');
            }
        }
        for line in self.stale_lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// One line on a module.
    fn verdict(&self, module: &Module) -> String {
        let Checked { imports, exports, findings } = &module.checked;
        let known = findings.iter().filter(|f| f.known).count();
        let told = findings.len() - known;
        let mut verdict = match (module.checked.failed(), told) {
            (_, 0) => "fine".to_owned(),
            (true, n) => count(n, "finding"),
            (false, n) => format!("fine, with {}", count(n, "warning")),
        };
        if known > 0 {
            verdict.push_str(&format!(", {} known", count(known, "finding")));
        }
        let against = self.against.as_ref().map(|name| format!(" against {name}")).unwrap_or_default();
        let profile = self.profile.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
        let counts = format!("{}, {}", count(*imports, "import"), count(*exports, "export"));
        printable(&format!("{}{against}{profile}: {counts}: {verdict}", module.name))
    }

    /// What the baseline has too much, a line each.
    fn stale_lines(&self) -> Vec<String> {
        let line = |entry: &Entry| {
            printable(&format!("no longer found: {} in {}: {}", entry.rule, entry.module, entry.subject))
        };
        self.stale.iter().map(line).collect()
    }
}

/// `1 finding`, `2 findings`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
