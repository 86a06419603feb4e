//! Sets of items, and what stays.

use super::proposals::Proposals;
use crate::link::ir::InstanceId;
use crate::link::plan::{Func, Global};
use crate::link::report::Floor;
use std::collections::HashSet;

/// An item: the instance that defines it and its index there.
pub(super) type Defined = (InstanceId, u32);

/// A set of items, dense.
#[derive(Debug, Default)]
pub(in crate::link) struct Items {
    by_instance: Vec<Vec<bool>>,
    count: u32,
}

impl Items {
    /// Whether it is new.
    pub(super) fn insert(&mut self, (instance, index): Defined) -> bool {
        let (instance, index) = (instance.index(), index as usize);
        if self.by_instance.len() <= instance {
            self.by_instance.resize(instance + 1, Vec::new());
        }
        let items = &mut self.by_instance[instance];
        if items.len() <= index {
            items.resize(index + 1, false);
        }
        let new = !std::mem::replace(&mut items[index], true);
        self.count += u32::from(new);
        new
    }

    pub(super) fn len(&self) -> u32 {
        self.count
    }

    /// Indices of an instance, in order.
    pub(in crate::link) fn of(&self, instance: InstanceId) -> impl Iterator<Item = u32> + '_ {
        let items = self.by_instance.get(instance.index()).map_or(&[][..], Vec::as_slice);
        (0..).zip(items).filter(|(_, live)| **live).map(|(index, _)| index)
    }
}

/// What stays.
#[derive(Debug, Default)]
pub(in crate::link) struct Live {
    pub(in crate::link) funcs: Items,
    pub(in crate::link) tables: Items,
    pub(in crate::link) memories: Items,
    pub(in crate::link) globals: Items,
    pub(in crate::link) tags: Items,
    pub(super) types: Items,
    pub(in crate::link) elements: Items,
    pub(in crate::link) data: Items,
    /// Functions that no instance defines: those of the host and those that the linker writes.
    pub(super) others: HashSet<Func>,
    /// Globals that no instance defines.
    pub(super) made_globals: HashSet<Global>,
    /// Whether the host allocates.
    pub(in crate::link) realloc: bool,
    /// Whether code names data segments, which needs their count.
    pub(super) data_named: bool,
    /// Functions that code takes references to, and those that something outside of code names.
    pub(super) referenced: HashSet<Func>,
    pub(super) declared: HashSet<Func>,
    pub(super) proposals: Proposals,
    pub(super) floor: Floor,
}

impl Live {
    /// Functions that no instance defines and that something calls, in no order.
    pub(in crate::link) fn others(&self) -> impl Iterator<Item = &Func> {
        self.others.iter()
    }

    /// How many may-leave flags stay.
    pub(in crate::link) fn flags(&self) -> u32 {
        u32::try_from(self.made_globals.len()).unwrap_or(u32::MAX)
    }
}
