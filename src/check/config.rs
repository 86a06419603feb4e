//! The table `[check]` of `lowlift.toml`. The rest of the file is the server's, and is not looked at.

use super::budget::Budget;
use super::settings::Severities;
use crate::abi::Allocation;
use crate::diagnostic::{Code, Diagnostic, Level, Place, Result, Rule, nearest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// The table, as configured. Paths are as written, and lie beside the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// What to compare with.
    pub against: Option<String>,
    /// The world, where that has several.
    pub world: Option<String>,
    /// Feature gates that are on.
    pub features: Vec<String>,
    /// The engine profile: a name, or a file that ends in `.toml`.
    pub profile: Option<String>,
    /// Where the host puts lists and strings.
    pub allocation: Option<Allocation>,
    /// The file of known findings.
    pub baseline: Option<PathBuf>,
    /// Severities of rules.
    pub severities: Severities,
    /// What there is room for.
    pub budget: Budget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    against: Option<String>,
    world: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    profile: Option<String>,
    alloc: Option<Allocation>,
    baseline: Option<PathBuf>,
    #[serde(default)]
    severity: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    budget: Budget,
}

/// The file: one table of it.
#[derive(Deserialize)]
struct File {
    check: Option<Table>,
}

const TABLE: &str = "check";

impl Config {
    /// Reads the table; none if the file has no such table. `path` is how the user named the file. Fails with
    /// [`Code::ConfigInvalid`] and the place.
    pub fn parse(path: &str, text: &str) -> Result<Option<Config>> {
        let wrong = |span: Option<Range<usize>>, message: &str| {
            let place = Place::Text { path: path.to_owned(), source: text.to_owned(), span: span.unwrap_or(0..0) };
            Diagnostic::new(Code::ConfigInvalid, message.trim_end()).at(place)
        };
        let unread = |e: toml::de::Error| wrong(e.span(), e.message());
        let keys: BTreeMap<Spanned<String>, IgnoredAny> = toml::from_str(text).map_err(unread)?;
        // All other keys are the server's, which refuses those that it does not know.
        let misspelt = keys.keys().find(|key| key.get_ref() != TABLE && nearest(key.get_ref(), [TABLE]).is_some());
        if let Some(key) = misspelt {
            let message = format!("unknown table `{}`", key.get_ref());
            return Err(wrong(Some(key.span()), &message).hint(format!("did you mean `{TABLE}`?")));
        }
        let File { check: Some(table) } = toml::from_str(text).map_err(unread)? else { return Ok(None) };
        let mut severities = Severities::default();
        for (name, level) in &table.severity {
            let rule = Rule::wanted(name.get_ref()).map_err(|e| placed(wrong(Some(name.span()), &e.message), *e))?;
            let known = [Level::Off, Level::Warning, Level::Error].into_iter().find(|l| l.name() == level.get_ref());
            let Some(known) = known else {
                let message = format!("`{}` is no severity", level.get_ref());
                return Err(wrong(Some(level.span()), &message).hint("`error`, `warning` or `off`"));
            };
            if severities.set(rule, known).is_some() {
                return Err(wrong(Some(name.span()), &format!("`{}` has a severity already", rule.id)));
            }
        }
        Ok(Some(Config {
            against: table.against,
            world: table.world,
            features: table.features,
            profile: table.profile,
            allocation: table.alloc,
            baseline: table.baseline,
            severities,
            budget: table.budget,
        }))
    }
}

/// The same advice at a place.
fn placed(mut error: Box<Diagnostic>, without: Diagnostic) -> Box<Diagnostic> {
    error.hints = without.hints;
    error
}
