//! Arguments from an input: mostly what a guest might mean, sometimes anything.

use super::guest::{Caller, PATHS, Pair, Work, first_resource};
use lowlift::abi::{Core, Kind, Resource, Table, TyId};
use lowlift::host::wasi::{Form, Function};
use std::collections::HashMap;

/// Bytes that are read as choices. At its end it reads as zeros.
pub(crate) struct Input<'d>(pub(crate) &'d [u8]);

impl Input<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    pub(crate) fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }

    /// A number, with a liking for edges.
    pub(crate) fn number(&mut self) -> u64 {
        let byte = self.byte();
        let small = u64::from(self.byte());
        match byte % 8 {
            0..4 => small % 16,
            4 => 65536 - small % 24,
            5 => (u64::from(u32::MAX) - small % 24) & u64::from(u32::MAX),
            6 => u64::MAX - small % 24,
            _ => (0..8).fold(small, |n, _| n << 8 | u64::from(self.byte())),
        }
    }
}

/// Handles by the type that they had when they were given.
#[derive(Debug, Default)]
pub(crate) struct Handles(HashMap<Resource, Vec<u32>>);

impl Handles {
    fn push(&mut self, resource: Resource, handle: u32) {
        let known = self.0.entry(resource).or_default();
        if !known.contains(&handle) {
            known.push(handle);
        }
    }

    /// Notes a handle of the type that a function takes first.
    pub(crate) fn given(&mut self, function: &str, handle: u32) {
        if let Some(resource) = first_resource(function) {
            self.push(resource, handle);
        }
    }

    /// Whether there is a handle for every parameter that is one.
    pub(crate) fn suffice(&self, caller: &Caller) -> bool {
        let table = &lowlift::host::wasi::wasi().expect("the table is built").table;
        let has = |resource: &Resource| self.0.get(resource).is_some_and(|known| !known.is_empty());
        match &caller.function.form {
            Form::Canonical(signature, _) => signature.params.iter().all(|&ty| match &table.get(ty).kind {
                Kind::Own(resource) | Kind::Borrow(resource) => has(resource),
                _ => true,
            }),
            Form::Drop(_) => caller.dropped.as_ref().is_some_and(has),
            Form::Raw(_) => true,
        }
    }

    /// A handle of a type, which is no longer there if it is given away.
    fn any(&mut self, input: &mut Input<'_>, resource: Option<Resource>, gives: bool) -> u64 {
        match resource.and_then(|resource| self.0.get_mut(&resource)) {
            Some(known) if !known.is_empty() && !input.one_in(32) => {
                let index = usize::from(input.byte()) % known.len();
                u64::from(if gives { known.swap_remove(index) } else { known[index] })
            }
            _ => input.number() & u64::from(u32::MAX),
        }
    }
}

/// The slots of a call, and words for the guest's memory: address and value.
pub(crate) fn arguments(
    input: &mut Input<'_>,
    table: &Table<'_>,
    caller: &Caller,
    handles: &mut Handles,
) -> (Vec<u64>, Vec<(u32, u32)>) {
    let mut call = Call { input, table, handles, slots: Vec::new(), stores: Vec::new() };
    match &caller.function.form {
        Form::Canonical(signature, _) => {
            if signature.params_spilled {
                let at = place(call.input, 8192);
                call.slots.push(at);
            } else {
                signature.params.iter().for_each(|&ty| call.flat(ty));
            }
            if signature.result_spilled {
                let at = place(call.input, 1024);
                call.slots.push(at);
            }
        }
        Form::Drop(_) => {
            let handle = call.handles.any(call.input, caller.dropped, true);
            call.slots.push(handle);
        }
        Form::Raw(_) => {
            for _ in &caller.function.core.params {
                let slot = if call.input.one_in(3) { place(call.input, 2048) } else { call.input.number() };
                call.slots.push(slot);
            }
        }
    }
    let Call { mut slots, stores, .. } = call;
    for (slot, core) in slots.iter_mut().zip(&caller.function.core.params) {
        if let Core::I32 | Core::F32 = core {
            *slot &= u64::from(u32::MAX);
        }
    }
    (slots, stores)
}

/// A pointer, most often to somewhere behind `base`, aligned.
fn place(input: &mut Input<'_>, base: u64) -> u64 {
    if input.one_in(32) { input.number() } else { base + 8 * u64::from(input.byte()) }
}

/// A call in the making.
struct Call<'c, 'd> {
    input: &'c mut Input<'d>,
    table: &'c Table<'c>,
    handles: &'c mut Handles,
    slots: Vec<u64>,
    stores: Vec<(u32, u32)>,
}

impl Call<'_, '_> {
    fn flat(&mut self, id: TyId) {
        let ty = self.table.get(id);
        match &ty.kind {
            Kind::Own(resource) => self.slots.push(self.handles.any(self.input, Some(*resource), true)),
            Kind::Borrow(resource) => self.slots.push(self.handles.any(self.input, Some(*resource), false)),
            Kind::String => {
                let string = self.string();
                self.slots.extend(string);
            }
            Kind::List(element) => {
                let (at, length) = (place(self.input, 4096), self.length(4));
                self.slots.extend([at, length]);
                let (mut at, size) = (at as u32, self.table.get(*element).size);
                for _ in 0..length.min(4) {
                    self.store(*element, at);
                    at = at.saturating_add(size);
                }
            }
            Kind::Record(fields) => fields.iter().for_each(|field| self.flat(field.ty)),
            Kind::FixedList(element, length) => (0..*length).for_each(|_| self.flat(*element)),
            Kind::Variant(variant) => {
                let known = u64::from(self.input.byte()) % variant.cases.len() as u64;
                let case = if self.input.one_in(32) { self.input.number() } else { known };
                let end = self.slots.len() + ty.flat.as_ref().map_or(1, Vec::len);
                self.slots.push(case);
                if let Some(payload) = variant.cases.get(case as usize).and_then(|c| c.ty) {
                    self.flat(payload);
                }
                while self.slots.len() < end {
                    let slot = self.input.number();
                    self.slots.push(slot);
                }
            }
            _ => {
                let slot = self.input.number();
                self.slots.push(slot);
            }
        }
    }

    /// Puts into memory what an element of a list needs to mean something; numbers are left as they are.
    fn store(&mut self, id: TyId, at: u32) {
        match &self.table.get(id).kind {
            Kind::Own(resource) | Kind::Borrow(resource) => {
                let handle = self.handles.any(self.input, Some(*resource), false);
                self.stores.push((at, handle as u32));
            }
            Kind::String | Kind::List(_) => {
                let (to, length) = (place(self.input, 0), self.length(16));
                self.stores.extend([(at, to as u32), (at.saturating_add(4), length as u32)]);
            }
            Kind::Record(fields) => {
                fields.iter().for_each(|field| self.store(field.ty, at.saturating_add(field.offset)));
            }
            _ => {}
        }
    }

    fn string(&mut self) -> [u64; 2] {
        if self.input.one_in(3) {
            return [u64::from(PATHS + u32::from(self.input.byte()) % 16), u64::from(self.input.byte()) % 8];
        }
        [place(self.input, 0), self.length(32)]
    }

    fn length(&mut self, below: u64) -> u64 {
        if self.input.one_in(32) { self.input.number() } else { u64::from(self.input.byte()) % below }
    }
}

/// Notes the handles that a result holds.
pub(crate) async fn harvest(
    pair: &mut Pair,
    table: &Table<'_>,
    function: &Function,
    low: u32,
    slots: &[u64],
    handles: &mut Handles,
) {
    let Form::Canonical(signature, _) = &function.form else { return };
    let Some(result) = signature.result else { return };
    if !signature.result_spilled {
        if let Kind::Own(resource) = table.get(result).kind {
            handles.push(resource, low);
        }
        return;
    }
    let mut left = vec![(result, slots.last().copied().unwrap_or_default() as u32)];
    while let Some((id, at)) = left.pop() {
        match &table.get(id).kind {
            Kind::Own(resource) => handles.push(*resource, pair.work(Work::Load, &[at]).await),
            Kind::List(element) => {
                let (from, length) =
                    (pair.work(Work::Load, &[at]).await, pair.work(Work::Load, &[at.saturating_add(4)]).await);
                let size = table.get(*element).size;
                left.extend((0..length.min(4)).map(|i| (*element, from.saturating_add(i * size))));
            }
            Kind::Record(fields) => left.extend(fields.iter().map(|field| (field.ty, at.saturating_add(field.offset)))),
            Kind::Variant(variant) => {
                let case = pair.work(Work::Load, &[at]).await & (u32::MAX >> (32 - 8 * variant.tag.size()));
                if let Some(payload) = variant.cases.get(case as usize).and_then(|c| c.ty) {
                    left.push((payload, at.saturating_add(variant.payload)));
                }
            }
            _ => {}
        }
    }
}
