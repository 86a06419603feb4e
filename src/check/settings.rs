//! What each rule weighs here: the rule's own severity, the configuration's, the command line's.

use super::finding::Finding;
use crate::diagnostic::{Code, Diagnostic, Level, Result, Rule, nearest};
use std::collections::BTreeMap;

/// Severities that differ from those of the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Severities(BTreeMap<Code, Level>);

impl Severities {
    /// Sets the severity of a rule, and gives what it was set to before.
    pub fn set(&mut self, rule: &Rule, level: Level) -> Option<Level> {
        self.0.insert(rule.code, level)
    }

    /// These, and what `others` say goes before.
    pub fn under(mut self, others: Severities) -> Severities {
        self.0.extend(others.0);
        self
    }

    /// What a rule weighs.
    pub fn of(&self, rule: &Rule) -> Level {
        self.0.get(&rule.code).copied().unwrap_or(rule.severity)
    }

    /// Weighs findings, and drops those of rules that are off.
    pub fn weigh(&self, findings: &mut Vec<Finding>) {
        findings.retain_mut(|finding| match self.of(finding.rule).severity() {
            Some(severity) => {
                finding.severity = severity;
                true
            }
            None => false,
        });
    }
}

impl Rule {
    /// A rule by its name or code. Fails with [`Code::Usage`] and the nearest name.
    pub fn wanted(text: &str) -> Result<&'static Rule> {
        if let Some(rule) = Code::find(text).and_then(Rule::of) {
            return Ok(rule);
        }
        let error = Diagnostic::new(Code::Usage, format!("there is no rule `{text}`"));
        Err(match nearest(text, Rule::all().iter().map(|rule| rule.id)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`lowlift check --list` lists all rules"),
        })
    }
}
