//! What is done to a module, decided before anything is written.

use super::super::plan::Const;
use super::helpers::Helper;
use super::results::Results;
use super::view::View;
use indexmap::IndexSet;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::WasmFeatures;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rewrite {
    /// As it is.
    Copied,
    /// Instruction by instruction.
    Plain,
    /// Blocks and calls of several values, too.
    Structured,
}

/// The plan; indices of what is there do not change, and what is new comes after it.
pub(super) struct Plan<'v, 'a> {
    pub(super) view: &'v View<'a>,
    /// What the target has.
    pub(super) target: WasmFeatures,
    /// Functions to add, in order.
    pub(super) helpers: IndexSet<Helper>,
    /// Segments that are dropped at run time, counted. Each has a global that says so.
    pub(super) dropped: BTreeMap<u32, u32>,
    /// None where the target has multi-value.
    pub(super) results: Option<Results>,
    /// One per body.
    pub(super) rewrites: Vec<Rewrite>,
    /// Values of globals in constant expressions.
    pub(super) globals: Vec<Option<Const>>,
    /// Bytes of data that become code.
    pub(super) stored: u64,
    /// How often each feature was lowered.
    pub(super) lowered: BTreeMap<&'static str, usize>,
    /// Proposals of the instructions that stay.
    pub(super) proposals: BTreeSet<&'static str>,
}

impl Plan<'_, '_> {
    pub(super) fn lacks(&self, feature: WasmFeatures) -> bool {
        !self.target.contains(feature)
    }

    /// The index of a helper.
    pub(super) fn helper(&self, helper: Helper) -> u32 {
        let at = self.helpers.get_index_of(&helper).unwrap_or_default();
        narrow(self.view.funcs.len() + at)
    }

    /// The first global that is added.
    pub(super) fn first_global(&self) -> u32 {
        narrow(self.view.imported_globals + self.view.globals.len())
    }

    /// The global that is one after the segment was dropped, if any code drops it.
    pub(super) fn dropped(&self, segment: u32) -> Option<u32> {
        self.dropped.get(&segment).map(|at| self.first_global() + at)
    }

    pub(super) fn note(&mut self, feature: &'static str) {
        *self.lowered.entry(feature).or_default() += 1;
    }
}

/// A validated module's index spaces fit in 32 bits.
pub(super) fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
