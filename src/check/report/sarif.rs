//! SARIF 2.1.0, which code hosts show beside the file.

use super::super::finding::Finding;
use super::{Module, Report};
use crate::diagnostic::{Level, Rule, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Report {
    /// For code hosts: one run over all findings. Those that are known are suppressed.
    pub fn sarif(&self) -> String {
        let rules: BTreeMap<_, &Rule> = self.findings().map(|(_, f)| (f.code(), f.rule)).collect();
        let index = |finding: &Finding| rules.keys().position(|&code| code == finding.code());
        let results: Vec<Value> = self.findings().map(|(module, f)| result(module, f, index(f))).collect();
        let notes = self.stale_lines().into_iter().map(|line| json!({ "level": "note", "message": { "text": line } }));
        let sarif = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "lowlift",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules.values().map(|r| rule(r)).collect::<Vec<_>>(),
                } },
                "invocations": [{
                    "executionSuccessful": true,
                    "toolExecutionNotifications": notes.collect::<Vec<_>>(),
                }],
                "results": results,
            }],
        });
        format!("{sarif:#}\n")
    }
}

fn rule(rule: &Rule) -> Value {
    let level = match rule.severity {
        Level::Off => "none",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    json!({
        "id": rule.code.id(),
        "name": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": {
            "text": rule.explanation,
            "markdown": format!("{}\n\n**Fix:** {}\n\n**Reference:** {}", rule.why, rule.fix, rule.reference),
        },
        "defaultConfiguration": { "level": level },
    })
}

fn result(module: &Module, finding: &Finding, rule: Option<usize>) -> Value {
    // A binary has no lines; code hosts show no result without one.
    let mut region = json!({ "startLine": 1 });
    if let Some(offset) = finding.offset.filter(|_| module.binary) {
        region["byteOffset"] = offset.into();
    }
    let mut result = json!({
        "ruleId": finding.code().id(),
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": { "text": text(finding) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(&module.name) }, "region": region },
            "logicalLocations": [{ "fullyQualifiedName": finding.subject }],
        }],
        "partialFingerprints": { "lowlift/v1": finding.fingerprint(module.file()) },
    });
    if finding.known {
        result["suppressions"] = json!([{ "kind": "external", "justification": "the baseline has it" }]);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The message with its facts and hints, a line each.
pub(super) fn text(finding: &Finding) -> String {
    let facts = finding.facts.iter().map(|(label, text)| format!("{label}: {text}"));
    let hints = finding.hints.iter().map(|hint| format!("hint: {hint}"));
    std::iter::once(finding.message.clone()).chain(facts).chain(hints).collect::<Vec<_>>().join("\n")
}

/// A path as a relative reference: what a URI may not hold is percent-encoded, and a colon would read as a scheme.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
