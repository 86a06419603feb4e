//! Which changes break a module.

use super::side::{Mark, Name};
use super::{Change, Hit, Verdict};
use crate::adapt::{Item, Survey};
use crate::diagnostic::Code;
use serde::Serialize;
use std::collections::HashSet;

/// What a change does to a module.
#[derive(Debug, Clone, Serialize)]
pub struct Broken {
    /// The import or export that no longer fits, or the export that is now wanted.
    pub item: String,
    /// Why: the code of the change.
    #[serde(serialize_with = "super::id")]
    pub code: Code,
    /// What changed: the function itself, or a type that passes through it.
    pub because: String,
}

/// Which of `changes` break a module, and by which of its imports and exports: each is named once, with the first of the
/// changes that break it.
pub fn breaks(changes: &[Change], survey: &Survey) -> Vec<Broken> {
    let is_func = |item: &Item| matches!(item, Item::Func(_));
    let imports = survey.imports.iter().filter(|(_, item)| is_func(item));
    let imports = imports.map(|(name, _)| (name.to_string(), Name::import(&name.module, &name.name)));
    let exports = survey.exports.iter().filter(|(_, item)| is_func(item));
    let exports = exports.map(|(name, _)| (name.clone(), Name::export(name)));
    let names = imports.chain(exports).map(|(shown, name)| (shown, Hit::of(&name)));
    let whole = |hit: &Hit| Hit { mark: None, function: None, interface: hit.interface.clone() };
    // Most of what a module names was not changed, and need not be compared with each change.
    let all: HashSet<&Hit> = changes.iter().flat_map(|change| &change.hits).collect();
    let names: Vec<(String, Hit)> = names.filter(|(_, hit)| all.contains(hit) || all.contains(&whole(hit))).collect();
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for change in changes.iter().filter(|c| c.verdict == Verdict::Breaking) {
        let has_support = !change.lacks.is_empty() && change.lacks.iter().all(|name| survey.exports.contains_key(name));
        if has_support {
            continue;
        }
        let item = if change.item == change.interface { "" } else { change.item.as_str() };
        let mut broken = |item_of_module: &str| {
            if seen.insert(item_of_module.to_owned()) {
                let because = format!("{} {item}", change.interface).trim().to_owned();
                out.push(Broken { item: item_of_module.to_owned(), code: change.code, because });
            }
        };
        let hits: HashSet<&Hit> = change.hits.iter().collect();
        let is_hit = |hit: &Hit| hits.contains(hit) || hits.contains(&whole(hit));
        let mut found = names.iter().filter(|(_, hit)| is_hit(hit)).peekable();
        if change.code == Code::FunctionAdded {
            if found.peek().is_none() {
                broken(&change.item.replacen(Mark::Export.prefix(), "", 1));
            }
            continue;
        }
        found.for_each(|(shown, _)| broken(shown));
    }
    out
}
