//! Tells before shipping what would trap in the field: compares a module with what a host provides (a [`Target`]) and with
//! what its engine takes (a [`Profile`]).
//!
//! What is said stands in the rule files of `rules/`; see [`Rule`]. `compare`, `exports`, `index` and `types` compare with a target,
//! `allocation` says what has no place in the guest, `engine`, `features`, `start` and `budget` with a profile; `settings`, `config` and `baseline` decide what of it counts,
//! and `report` has the forms in which it is told.
//!
//! [`Rule`]: crate::diagnostic::Rule
//! [`Profile`]: crate::profile::Profile

mod allocation;
mod baseline;
mod budget;
mod compare;
mod component;
mod config;
mod diff;
mod engine;
mod exports;
mod features;
mod finding;
mod index;
mod report;
mod settings;
mod start;
mod target;
mod types;
mod wasi;
mod whole;

pub use baseline::{Baseline, Entry};
pub use budget::Budget;
pub use compare::check;
pub use component::{boundary, own};
pub use config::Config;
pub use diff::{Broken, Change, FirstByte, Verdict, breaks, diff, verdict};
pub use finding::{Checked, Finding};
pub use report::{FindingSheet, Module, ModuleSheet, PlaceSheet, Report, Sheet, Weight};
pub use settings::Severities;
pub use target::{Provided, Required, Target, WitParam};
pub use whole::{Host, component, module};
