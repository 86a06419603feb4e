//! One finding, and how it is made of its rule.

use crate::diagnostic::{Code, Diagnostic, Place, Rule, Severity, fill};
use sha2::{Digest, Sha256};

/// What a rule found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What it weighs.
    pub severity: Severity,
    /// What it is about, in words that stay the same as long as the finding does: an import, an export, a feature.
    pub subject: String,
    /// What is said.
    pub message: String,
    /// Labelled facts.
    pub facts: Vec<(&'static str, String)>,
    /// Next steps.
    pub hints: Vec<String>,
    /// Where, in bytes from the start of the module.
    pub offset: Option<usize>,
    /// Whether the baseline has it.
    pub known: bool,
}

/// The outcome for one module.
#[derive(Debug, Default)]
pub struct Checked {
    /// Imports that were compared.
    pub imports: usize,
    /// Exports that were compared.
    pub exports: usize,
    /// What was found, in the order of the module.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether any finding fails: errors that the baseline does not have.
    pub fn failed(&self) -> bool {
        self.findings.iter().any(Finding::fails)
    }
}

impl Finding {
    /// Whether it fails the check.
    pub fn fails(&self) -> bool {
        self.severity == Severity::Error && !self.known
    }

    /// The code of its rule.
    pub fn code(&self) -> Code {
        self.rule.code
    }

    /// The finding as a diagnostic, without a place.
    pub fn diagnostic(&self) -> Box<Diagnostic> {
        let mut diagnostic = Diagnostic::new(self.code(), self.message.clone());
        diagnostic.severity = self.severity;
        diagnostic.facts.clone_from(&self.facts);
        diagnostic.hints.clone_from(&self.hints);
        diagnostic
    }

    /// The finding as a diagnostic in a file. `what` says what the file is; `binary` whether offsets are those of the file.
    pub fn in_file(&self, path: &str, what: &str, binary: bool) -> Box<Diagnostic> {
        let diagnostic = self.diagnostic();
        match self.offset.filter(|_| binary) {
            Some(offset) => diagnostic.at(Place::Binary { path: path.to_owned(), offset }),
            None => diagnostic.in_file(path, what),
        }
    }

    /// What stays the same from run to run: 32 hexadecimal digits over the rule, the name of the file and the subject.
    pub fn fingerprint(&self, file: &str) -> String {
        let mut hash = Sha256::new();
        for part in [self.rule.id, file, &self.subject] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A finding while its holes are being filled.
#[derive(Debug)]
pub(super) struct Draft {
    rule: &'static Rule,
    subject: String,
    values: Vec<(&'static str, String)>,
    offset: Option<usize>,
}

impl Draft {
    /// A finding of the rule of this code.
    pub(super) fn new(code: Code, subject: impl Into<String>) -> Draft {
        let rule = Rule::of(code).expect("findings are made with the codes of rules");
        Draft { rule, subject: subject.into(), values: Vec::new(), offset: None }
    }

    /// Fills a hole of the rule.
    pub(super) fn set(mut self, hole: &'static str, value: impl Into<String>) -> Draft {
        debug_assert!(self.rule.holes().contains(&hole), "`{}` has no hole `{hole}`", self.rule.id);
        self.values.push((hole, value.into()));
        self
    }

    /// Fills a hole, if there is a value.
    pub(super) fn maybe(self, hole: &'static str, value: Option<impl Into<String>>) -> Draft {
        match value {
            Some(value) => self.set(hole, value),
            None => self,
        }
    }

    /// Says where.
    pub(super) fn at(mut self, offset: usize) -> Draft {
        self.offset = Some(offset);
        self
    }

    /// The finding.
    pub(super) fn done(self) -> Finding {
        let value = |hole: &str| self.values.iter().find(|(known, _)| *known == hole).map(|(_, value)| value.as_str());
        let rule = self.rule;
        let message = fill(&rule.message, value);
        debug_assert!(message.is_some(), "`{}` leaves a hole of its message", rule.id);
        let facts = rule.facts.iter().filter_map(|(hole, label)| Some((label.as_str(), value(hole)?.to_owned())));
        Finding {
            rule,
            severity: rule.severity.severity().unwrap_or(Severity::Warning),
            message: message.unwrap_or_else(|| rule.title.clone()),
            facts: facts.collect(),
            hints: rule.hints.iter().filter_map(|hint| fill(hint, value)).collect(),
            offset: self.offset,
            known: false,
            subject: self.subject,
        }
    }
}

/// A list for one line of a message.
pub(super) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    const SHOWN: usize = 40;
    let mut text = items.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(", and {} more", items.len() - SHOWN));
    }
    text
}
