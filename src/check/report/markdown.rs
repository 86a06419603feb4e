//! Markdown, for the comment of a pull request.

use super::Report;
use crate::diagnostic::{Severity, printable};

impl Report {
    /// For comments. Names come from modules that anyone may send in, so they stand in code, where nothing is a link or a
    /// mention.
    pub fn markdown(&self) -> String {
        let mut text = String::from("### lowlift check\n");
        for module in &self.modules {
            text.push_str(&format!("\n{}\n", code(&self.verdict(module))));
            if !module.checked.findings.is_empty() {
                text.push_str("\n| severity | rule | finding | details |\n|---|---|---|---|\n");
            }
            for finding in &module.checked.findings {
                let severity = match finding.severity {
                    _ if finding.known => "known",
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                let facts = finding.facts.iter().map(|(label, text)| format!("{label}: {text}"));
                let details: Vec<String> = facts.chain(finding.hints.iter().cloned()).map(|line| code(&line)).collect();
                let (id, message) = (finding.rule.id, code(&finding.message));
                let details = details.join("<br>");
                text.push_str(&format!("| {severity} | {} `{id}` | {message} | {details} |\n", finding.code()));
            }
        }
        if !self.stale.is_empty() {
            let lines = self.stale_lines();
            text.push_str(&format!("\n{}\n", lines.iter().map(|line| code(line)).collect::<Vec<_>>().join("<br>")));
        }
        text
    }
}

/// Text in code, of which nothing is read as Markdown or HTML.
fn code(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in printable(text).chars() {
        match c {
            '\n' => out.push(' '),
            '&' | '<' | '>' | '|' | '`' | '[' | ']' | '\\' | '*' => out.push_str(&format!("&#{};", c as u32)),
            c => out.push(c),
        }
    }
    out + "</code>"
}
