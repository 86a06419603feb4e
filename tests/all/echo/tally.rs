//! What came of generated components.

use super::component::Case;
use super::host::{Call, Outcome};
use super::types::Ty;
use std::collections::BTreeMap;
use std::fmt;

/// Counts. A call counts once, however many engines ran it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) components: u64,
    pub(super) calls: u64,
    values: u64,
    traps: u64,
    imports: u64,
    refused: BTreeMap<&'static str, u64>,
    /// Components linked and refused, by caller's and callee's encoding.
    pairs: BTreeMap<String, [u64; 2]>,
    shapes: BTreeMap<String, [u64; 2]>,
    /// Calls that returned and that trapped, by kind of function and by kind of type.
    functions: BTreeMap<String, [u64; 2]>,
    types: BTreeMap<String, [u64; 2]>,
}

impl Tally {
    pub(super) fn refused(&mut self, case: &Case, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
        self.component(case, 1);
    }

    pub(super) fn linked(&mut self, case: &Case) {
        self.component(case, 0);
    }

    fn component(&mut self, case: &Case, column: usize) {
        self.components += 1;
        let [caller, callee] = case.encodings.map(|encoding| encoding.name());
        self.pairs.entry(format!("{caller} to {callee}")).or_default()[column] += 1;
        self.shapes
            .entry(format!("{:?}{}", case.shape, if case.direct { " direct" } else { "" }).to_lowercase())
            .or_default()[column] += 1;
    }

    pub(super) fn call(&mut self, case: &Case, call: &Call, outcome: &Outcome) {
        let column = usize::from(outcome.result.is_none());
        self.calls += 1;
        *[&mut self.values, &mut self.traps][column] += 1;
        self.imports += outcome.trace.len() as u64;
        let name = call.export.rsplit('#').next().unwrap_or_default();
        let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
        self.functions.entry(digits.to_owned()).or_default()[column] += 1;
        let index: Option<usize> = name[digits.len()..].parse().ok();
        if let Some(echo) = index.and_then(|index| case.echoes.get(index)) {
            let mut kinds = Vec::new();
            echo.params.iter().for_each(|ty| all(ty, &mut kinds));
            kinds.sort();
            kinds.dedup();
            kinds.into_iter().for_each(|kind| self.types.entry(kind).or_default()[column] += 1);
        }
    }
}

fn all(ty: &Ty, kinds: &mut Vec<String>) {
    kinds.push(ty.kind());
    ty.children().into_iter().for_each(|ty| all(ty, kinds));
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: u64 = self.refused.values().sum();
        writeln!(f, "components: {} ({} linked, {refused} refused)", self.components, self.components - refused)?;
        self.refused.iter().try_for_each(|(code, count)| writeln!(f, "refused: {count} {code}"))?;
        writeln!(f, "calls: {}, all equal: {} gave values, {} trapped", self.calls, self.values, self.traps)?;
        writeln!(f, "calls of imports, all equal: {}", self.imports)?;
        let table = |f: &mut fmt::Formatter<'_>, title: &str, rows: &BTreeMap<String, [u64; 2]>| {
            writeln!(f, "{title}")?;
            rows.iter().try_for_each(|(name, [left, right])| writeln!(f, "  {name:<28}{left:>9}{right:>9}"))
        };
        table(f, "components linked and refused, by encodings", &self.pairs)?;
        table(f, "components linked and refused, by shape", &self.shapes)?;
        table(f, "calls that returned and trapped, by function", &self.functions)?;
        table(f, "calls that returned and trapped, by types in them", &self.types)
    }
}
