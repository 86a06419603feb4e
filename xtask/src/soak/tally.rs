//! What clients saw.

use crate::table::Table;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How one exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it must.
    Right,
    /// Turned away for a while: 503 with `retry-after`.
    Busy,
    /// Any other way.
    Wrong(String),
}

#[derive(Default)]
struct Counts {
    right: u64,
    busy: u64,
    wrong: u64,
    first: Option<String>,
}

/// Verdicts by kind of client.
#[derive(Clone, Default)]
pub(super) struct Tally(Rc<RefCell<BTreeMap<&'static str, Counts>>>);

impl Tally {
    pub(super) fn add(&self, kind: &'static str, verdict: Verdict) {
        let mut all = self.0.borrow_mut();
        let counts = all.entry(kind).or_default();
        match verdict {
            Verdict::Right => counts.right += 1,
            Verdict::Busy => counts.busy += 1,
            Verdict::Wrong(what) => {
                counts.wrong += 1;
                counts.first.get_or_insert(what);
            }
        }
    }

    pub(super) fn print(&self) {
        let mut table = Table::new(&["exchange", "right", "busy", "wrong"]);
        for (kind, counts) in self.0.borrow().iter() {
            table.row(vec![
                (*kind).to_owned(),
                counts.right.to_string(),
                counts.busy.to_string(),
                counts.wrong.to_string(),
            ]);
        }
        print!("\n{table}");
    }

    /// The first wrong answer of each kind, and a word for each kind that never got a right one.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (kind, counts) in self.0.borrow().iter() {
            if let Some(first) = &counts.first {
                all.push(format!("{kind}: {} wrong, the first: {first}", counts.wrong));
            } else if counts.right == 0 {
                all.push(format!("{kind}: never answered, {} times busy", counts.busy));
            }
        }
        all
    }
}
