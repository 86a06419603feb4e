//! For programs. The schema is `docs/check.schema.json`.

use super::super::baseline::Entry;
use super::super::finding::Finding;
use super::{Module, Report};
use crate::diagnostic::Severity;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `lowlift check --format json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// The version of this form: 1.
    pub schema: u32,
    /// What the modules were compared with.
    pub against: Option<String>,
    /// The engine profile by which they were judged.
    pub profile: Option<String>,
    /// Whether nothing fails.
    pub ok: bool,
    /// The modules, in the order in which they were named.
    pub modules: Vec<ModuleSheet>,
    /// What the baseline has of these modules and no longer occurs.
    pub stale: Vec<Entry>,
}

/// A module.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleSheet {
    /// Its path, as it was named.
    pub module: String,
    /// One line on what it is.
    pub what: String,
    /// Whether nothing in it fails.
    pub ok: bool,
    /// Imports that were compared.
    pub imports: usize,
    /// Exports that were compared.
    pub exports: usize,
    /// What was found.
    pub findings: Vec<FindingSheet>,
}

/// A finding.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingSheet {
    /// The name of the rule, such as `signature-mismatch`.
    pub rule: String,
    /// Its code, such as `LL0402`.
    pub code: String,
    /// What it weighs.
    pub severity: Weight,
    /// What is said.
    pub message: String,
    /// What it is about; it stays the same from run to run.
    pub subject: String,
    /// Where.
    pub place: PlaceSheet,
    /// Labelled facts.
    pub facts: BTreeMap<String, String>,
    /// Next steps.
    pub hints: Vec<String>,
    /// Whether the baseline has it.
    pub known: bool,
    /// A hash of the rule, the name of the file and the subject.
    pub fingerprint: String,
}

/// What a finding weighs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It fails, unless it is known.
    Error,
    /// It does not fail.
    Warning,
}

/// Where a finding is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceSheet {
    /// The file.
    pub path: String,
    /// Bytes from the start of the module. The file is the module, unless it is text or was linked first.
    pub offset: Option<usize>,
}

impl Report {
    /// For programs.
    pub fn sheet(&self) -> Sheet {
        Sheet {
            schema: 1,
            against: self.against.clone(),
            profile: self.profile.clone(),
            ok: !self.failed(),
            modules: self.modules.iter().map(module).collect(),
            stale: self.stale.clone(),
        }
    }

    /// [`Report::sheet`] as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.sheet()).expect("strings and numbers are JSON") + "\n"
    }
}

fn module(module: &Module) -> ModuleSheet {
    ModuleSheet {
        module: module.name.clone(),
        what: module.what.clone(),
        ok: !module.checked.failed(),
        imports: module.checked.imports,
        exports: module.checked.exports,
        findings: module.checked.findings.iter().map(|found| finding(module, found)).collect(),
    }
}

fn finding(module: &Module, finding: &Finding) -> FindingSheet {
    FindingSheet {
        rule: finding.rule.id.to_owned(),
        code: finding.code().id().to_owned(),
        severity: match finding.severity {
            Severity::Error => Weight::Error,
            Severity::Warning => Weight::Warning,
        },
        message: finding.message.clone(),
        subject: finding.subject.clone(),
        place: PlaceSheet { path: module.name.clone(), offset: finding.offset },
        facts: finding.facts.iter().map(|(label, text)| ((*label).to_owned(), text.clone())).collect(),
        hints: finding.hints.clone(),
        known: finding.known,
        fingerprint: finding.fingerprint(module.file()),
    }
}
