//! Findings as SARIF 2.1.0, which code hosts show beside the file.

use super::{Code, Diagnostic, Place, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One run over all `findings`.
pub fn to_sarif(findings: &[Diagnostic]) -> Value {
    let codes: BTreeSet<Code> = findings.iter().map(|f| f.code).collect();
    let rules: Vec<Value> = codes.iter().map(|&code| rule(code)).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let index = codes.iter().position(|&code| code == finding.code);
            json!({
                "ruleId": finding.code.id(),
                "ruleIndex": index,
                "level": level(finding.severity),
                "message": { "text": text(finding) },
                "locations": finding.place.iter().map(location).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lowlift",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": code.explanation() },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The message with its facts and hints, a line each.
pub(super) fn text(finding: &Diagnostic) -> String {
    let facts = finding.facts.iter().map(|(label, text)| format!("{label}: {text}"));
    let hints = finding.hints.iter().map(|hint| format!("hint: {hint}"));
    std::iter::once(finding.message.clone()).chain(facts).chain(hints).collect::<Vec<_>>().join("\n")
}

fn location(place: &Place) -> Value {
    let (path, region) = match place {
        Place::File { path, .. } => (path, Value::Null),
        Place::Binary { path, offset } => (path, json!({ "byteOffset": offset })),
        Place::Text { path, .. } => {
            let (line, column) = super::render::line_and_column(place).unwrap_or((1, 1));
            (path, json!({ "startLine": line, "startColumn": column }))
        }
    };
    let mut physical = json!({ "artifactLocation": { "uri": uri(path) } });
    if !region.is_null() {
        physical["region"] = region;
    }
    json!({ "physicalLocation": physical })
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
