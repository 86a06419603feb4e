//! What the target lacks and nothing stands in for: collected, and said at once.

use super::super::report::Floor;
use crate::diagnostic::{Code, Diagnostic};
use crate::profile::{Profile, name_of};
use wasmparser::WasmFeatures;

/// A feature that is refused, and where it is used.
struct Refused {
    feature: WasmFeatures,
    first: String,
    count: usize,
}

/// All that is refused, each feature once, in the order in which they were found.
#[derive(Default)]
pub(super) struct Refusals(Vec<Refused>);

impl Refusals {
    /// Notes a use of a feature; `what` says what and where, and is asked the first time only.
    pub(super) fn add(&mut self, feature: WasmFeatures, what: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|r| r.feature == feature) {
            Some(known) => known.count += 1,
            None => self.0.push(Refused { feature, first: what(), count: 1 }),
        }
    }

    pub(super) fn has(&self, feature: WasmFeatures) -> bool {
        self.0.iter().any(|r| r.feature == feature)
    }

    /// The diagnostic, if anything was refused.
    pub(super) fn into_diagnostic(self, target: &Profile) -> Option<Box<Diagnostic>> {
        let names: Vec<&str> = self.0.iter().map(|r| name_of(r.feature)).collect();
        if names.is_empty() {
            return None;
        }
        let message = format!("the module needs what the target `{}` lacks: {}", target.name, names.join(", "));
        let mut error = Diagnostic::new(Code::TargetLacks, message);
        for refused in &self.0 {
            let more = if refused.count > 1 { format!(", and {} more", refused.count - 1) } else { String::new() };
            error = error.fact(name_of(refused.feature), format!("{}{more}", refused.first));
        }
        if self.has(WasmFeatures::MULTI_MEMORY) {
            error = error.hint("`--single-memory` makes one memory of several");
        }
        let all = self.0.iter().fold(WasmFeatures::empty(), |all, r| all.union(r.feature));
        Some(match Floor::ALL.into_iter().find(|level| level.features().contains(all)) {
            Some(level) => error.hint(format!("`--target {}` takes it", level.name())),
            None => error.hint("no target has all of it: build the guest without"),
        })
    }
}
