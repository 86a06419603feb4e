//! The rules of `lowlift check`: a data file each, in `src/check/rules`. The words that a finding says stand there alone;
//! the checker fills the holes.

use super::code::RULES;
use super::{Code, Severity};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What a finding of a rule weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is said.
    Off,
    /// It is said, and does not fail.
    Warning,
    /// It fails.
    Error,
}

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    /// The severity of a finding; none where the rule is off.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Level::Off => None,
            Level::Warning => Some(Severity::Warning),
            Level::Error => Some(Severity::Error),
        }
    }
}

/// A rule. `message` and `hints` are templates with holes such as `{import}`; `facts` names further holes, which are shown
/// with their names. A fact or hint is shown where all of its holes are filled.
#[derive(Debug)]
pub struct Rule {
    /// Such as `signature-mismatch`.
    pub id: &'static str,
    /// Its code.
    pub code: Code,
    /// What is wrong, in one line.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub fix: String,
    /// Where the rule comes from.
    pub reference: String,
    /// What it weighs, unless set otherwise.
    pub severity: Level,
    /// What a finding says.
    pub message: String,
    /// Holes that are shown beside it: each with the label, which is its name with spaces.
    pub facts: Vec<(String, String)>,
    /// What a finding advises.
    pub hints: Vec<String>,
    /// Reason, fix and reference as one text.
    pub explanation: String,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    code: String,
    title: String,
    severity: Level,
    message: String,
    #[serde(default)]
    facts: Vec<String>,
    #[serde(default)]
    hints: Vec<String>,
    why: String,
    fix: String,
    reference: String,
}

static ALL: LazyLock<Vec<Rule>> =
    LazyLock::new(|| RULES.iter().map(|&(code, id, text)| read(code, id, text)).collect());

/// Panics where a file is wrong: the files are part of the program, and a test reads all of them.
fn read(code: Code, id: &'static str, text: &str) -> Rule {
    let file: File = toml::from_str(text).unwrap_or_else(|e| panic!("the rule `{id}`: {e}"));
    assert!(file.id == id && file.code == code.id(), "the rule `{id}` has another name or code in its file");
    let explanation = format!("{}\n\nFix: {}\n\nReference: {}", file.why, file.fix, file.reference);
    let facts = file.facts.into_iter().map(|hole| (hole.replace('-', " "), hole)).map(|(label, hole)| (hole, label));
    Rule {
        id,
        code,
        title: file.title,
        why: file.why,
        fix: file.fix,
        reference: file.reference,
        severity: file.severity,
        message: file.message,
        facts: facts.collect(),
        hints: file.hints,
        explanation,
    }
}

impl Rule {
    /// All rules, in the order of their codes.
    pub fn all() -> &'static [Rule] {
        &ALL
    }

    /// The rule of this name.
    pub fn find(id: &str) -> Option<&'static Rule> {
        Rule::all().iter().find(|rule| rule.id == id)
    }

    /// The rule that says this code.
    pub fn of(code: Code) -> Option<&'static Rule> {
        Rule::all().iter().find(|rule| rule.code == code)
    }

    pub(super) fn named(id: &str) -> &'static Rule {
        Rule::find(id).expect("codes name rules that are registered with them")
    }

    /// Every hole that a finding of this rule may fill, each once.
    pub fn holes(&self) -> Vec<&str> {
        let templates = std::iter::once(&self.message).chain(&self.hints);
        let mut holes: Vec<&str> = templates.flat_map(|t| pieces(t)).filter_map(|(_, hole)| hole).collect();
        holes.extend(self.facts.iter().map(|(hole, _)| hole.as_str()));
        holes.sort_unstable();
        holes.dedup();
        holes
    }
}

/// A template as text, each piece with the hole that follows it.
fn pieces(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    template.split('}').map(|piece| match piece.split_once('{') {
        Some((text, hole)) => (text, Some(hole)),
        None => (piece, None),
    })
}

/// The template with its holes filled; none if a hole has no value.
pub(crate) fn fill<'v>(template: &str, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    for (text, hole) in pieces(template) {
        out.push_str(text);
        if let Some(hole) = hole {
            out.push_str(value(hole)?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_in_one_pass() {
        let value = |hole: &str| match hole {
            "a" => Some("{b}"),
            "b" => Some("x"),
            _ => None,
        };
        assert_eq!(fill("1 {a} 2 {b}3", value).as_deref(), Some("1 {b} 2 x3"));
        assert_eq!((fill("", value).as_deref(), fill("{c}", value)), (Some(""), None));
    }

    #[test]
    fn every_rule_is_read() {
        assert_eq!(Rule::all().len(), RULES.len());
        for rule in Rule::all() {
            assert_eq!(Rule::of(rule.code).map(|r| r.id), Some(rule.id));
            assert!([&rule.title, &rule.why, &rule.fix, &rule.reference].iter().all(|text| !text.is_empty()));
            let braces = rule.message.matches('{').count() + rule.hints.concat().matches('{').count();
            assert!(rule.holes().iter().all(|hole| hole.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
            assert!(rule.holes().len() <= braces + rule.facts.len());
        }
    }
}
