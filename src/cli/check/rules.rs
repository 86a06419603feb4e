//! The rules themselves: `--list` and `--explain`.

use super::super::{Format, Run, Shared, explain, io};
use crate::cli::Outcome;
use crate::diagnostic::Rule;
use serde_json::json;

pub(super) fn list(shared: &Shared) -> Run {
    let text = match shared.format {
        Format::Json => {
            let rules = Rule::all().iter().map(|rule| {
                json!({
                    "id": rule.id,
                    "code": rule.code.id(),
                    "title": rule.title,
                    "severity": rule.severity,
                    "message": rule.message,
                    "why": rule.why,
                    "fix": rule.fix,
                    "reference": rule.reference,
                })
            });
            format!("{:#}\n", serde_json::Value::Array(rules.collect()))
        }
        _ => Rule::all()
            .iter()
            .map(|rule| format!("{}  {:<22}  {:<7}  {}\n", rule.code, rule.id, rule.severity.name(), rule.title))
            .collect(),
    };
    io::print(text.as_bytes())?;
    Ok(Outcome::Fine)
}

/// What `lowlift explain` says of the rule's code.
pub(super) fn explain(name: &str, shared: &Shared) -> Run {
    explain::say(&[Rule::wanted(name)?.code], shared)
}
