//! Where things are in the output.

use super::items::{Defined, Items, Live};
use super::narrow;
use super::renumber::Indices;
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::Result;
use crate::link::ir::{HostId, InstanceId};
use crate::link::plan::{Func, Global, Plan, too_many, val_type};
use crate::link::runtime::Pieces;
use indexmap::IndexSet;
use std::collections::{BTreeSet, HashMap};
use wasm_encoder::{TypeSection, ValType};

/// Function types, each once.
#[derive(Default)]
pub(super) struct Types {
    pub(super) section: TypeSection,
    known: HashMap<(Vec<ValType>, Vec<ValType>), u32>,
}

impl Types {
    pub(super) fn get(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let next = self.section.len();
        let key = (params, results);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        self.section.ty().function(key.0.iter().copied(), key.1.iter().copied());
        self.known.insert(key, next);
        next
    }

    pub(super) fn core(&mut self, core: &CoreSignature) -> u32 {
        let list = |types: &[Core]| types.iter().map(|&t| val_type(t)).collect();
        self.get(list(&core.params), list(&core.results))
    }
}

/// Items of an index space, each with its place; dense.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Vec<Option<u32>>>);

impl Places {
    /// Places items in instantiation order, from `next` on.
    fn new(plan: &Plan<'_, '_>, items: &Items, next: &mut u32) -> Result<Places> {
        let mut places = Vec::with_capacity(plan.instances.len());
        for id in plan.instance_ids() {
            let mut of_instance = Vec::new();
            for index in items.of(id) {
                of_instance.resize(index as usize, None);
                of_instance.push(Some(*next));
                *next = next.checked_add(1).ok_or_else(too_many)?;
            }
            places.push(of_instance);
        }
        Ok(Places(places))
    }

    pub(super) fn get(&self, (instance, index): Defined) -> Option<u32> {
        self.0.get(instance.index())?.get(index as usize).copied().flatten()
    }

    /// The places of an instance's items, by its index.
    fn of(&self, instance: InstanceId) -> Vec<Option<u32>> {
        self.0.get(instance.index()).cloned().unwrap_or_default()
    }
}

/// Output indices of everything that stays.
pub(super) struct Layout {
    /// Imports, in their order.
    pub(super) hosts: Vec<HostId>,
    /// First index of the functions that the linker writes.
    pub(super) pieces: u32,
    pub(super) funcs: Places,
    pub(super) initialize: u32,
    pub(super) tables: Places,
    pub(super) memories: Places,
    tags: Places,
    globals: Places,
    /// First index of the globals that the linker makes, and these in their order.
    first_made: u32,
    pub(super) made_globals: IndexSet<Global>,
    pub(super) selector: u32,
    elements: Places,
    data: Places,
}

impl Layout {
    pub(super) fn new(plan: &Plan<'_, '_>, live: &Live, pieces: &Pieces) -> Result<Layout> {
        let place = |items: &Items| Places::new(plan, items, &mut 0);
        let hosts: BTreeSet<HostId> = live.others().filter_map(host_of).collect();
        let first_piece = narrow(hosts.len())?;
        let mut next = first_piece.checked_add(pieces.count()).ok_or_else(too_many)?;
        let funcs = Places::new(plan, &live.funcs, &mut next)?;
        let mut first_made = 0;
        let globals = Places::new(plan, &live.globals, &mut first_made)?;
        // In the order in which instances name them.
        let named = plan.instances.iter().flat_map(|i| &i.globals);
        let made_globals: IndexSet<Global> = named.filter(|g| live.made_globals.contains(g)).copied().collect();
        Ok(Layout {
            hosts: hosts.into_iter().collect(),
            pieces: first_piece,
            funcs,
            initialize: next,
            tables: place(&live.tables)?,
            memories: place(&live.memories)?,
            tags: place(&live.tags)?,
            globals,
            first_made,
            selector: first_made + narrow(made_globals.len())?,
            made_globals,
            elements: place(&live.elements)?,
            data: place(&live.data)?,
        })
    }

    pub(super) fn host(&self, id: HostId) -> Option<u32> {
        self.hosts.binary_search(&id).ok().and_then(|i| u32::try_from(i).ok())
    }

    fn global(&self, global: &Global) -> Option<u32> {
        match *global {
            Global::Defined(id, index) => self.globals.get((id, index)),
            _ => {
                let made = self.made_globals.get_index_of(global)?;
                Some(self.first_made + u32::try_from(made).ok()?)
            }
        }
    }

    /// The index spaces of one instance. `func` finds functions.
    pub(super) fn indices(
        &self,
        plan: &Plan<'_, '_>,
        id: InstanceId,
        types: Vec<Option<u32>>,
        func: impl Fn(&Func) -> Option<u32>,
    ) -> Indices {
        let instance = &plan.instances[id.index()];
        Indices {
            funcs: instance.funcs.iter().map(func).collect(),
            tables: instance.tables.iter().map(|t| self.tables.get(*t)).collect(),
            memories: instance.memories.iter().map(|m| self.memories.get(*m)).collect(),
            globals: instance.globals.iter().map(|g| self.global(g)).collect(),
            tags: instance.tags.iter().map(|t| self.tags.get(*t)).collect(),
            types,
            elements: self.elements.of(id),
            data: self.data.of(id),
        }
    }
}

fn host_of(func: &Func) -> Option<HostId> {
    match func {
        Func::Host(id, _) => Some(*id),
        _ => None,
    }
}
