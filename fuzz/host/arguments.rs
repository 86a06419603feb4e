//! Arguments from an input: mostly what a guest might mean, sometimes anything.

use super::guest::{Caller, Pair, Work, first_resource};
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

/// The slots of a call.
pub(crate) fn arguments(input: &mut Input<'_>, table: &Table<'_>, caller: &Caller, handles: &mut Handles) -> Vec<u64> {
    let (mut slots, function) = (Vec::new(), caller.function);
    match &function.form {
        Form::Canonical(signature, _) => {
            if signature.params_spilled {
                slots.push(place(input, 8192));
            } else {
                for &ty in &signature.params {
                    flat(input, table, ty, handles, &mut slots);
                }
            }
            if signature.result_spilled {
                slots.push(place(input, 1024));
            }
        }
        Form::Drop(_) => slots.push(handles.any(input, caller.dropped, true)),
        Form::Raw(_) => {
            for _ in &function.core.params {
                let slot = if input.one_in(3) { place(input, 2048) } else { input.number() };
                slots.push(slot);
            }
        }
    }
    for (slot, core) in slots.iter_mut().zip(&function.core.params) {
        if let Core::I32 | Core::F32 = core {
            *slot &= u64::from(u32::MAX);
        }
    }
    slots
}

/// A pointer, most often to somewhere behind `base`, aligned.
fn place(input: &mut Input<'_>, base: u64) -> u64 {
    if input.one_in(32) { input.number() } else { base + 8 * u64::from(input.byte()) }
}

fn flat(input: &mut Input<'_>, table: &Table<'_>, id: TyId, handles: &mut Handles, slots: &mut Vec<u64>) {
    let ty = table.get(id);
    match &ty.kind {
        Kind::Own(resource) => slots.push(handles.any(input, Some(*resource), true)),
        Kind::Borrow(resource) => slots.push(handles.any(input, Some(*resource), false)),
        Kind::String | Kind::List(_) => {
            slots.push(place(input, 0));
            let length = if input.one_in(32) { input.number() } else { u64::from(input.byte()) % 32 };
            slots.push(length);
        }
        Kind::Record(fields) => fields.iter().for_each(|field| flat(input, table, field.ty, handles, slots)),
        Kind::FixedList(element, length) => (0..*length).for_each(|_| flat(input, table, *element, handles, slots)),
        Kind::Variant(variant) => {
            let case =
                if input.one_in(32) { input.number() } else { u64::from(input.byte()) % variant.cases.len() as u64 };
            let end = slots.len() + ty.flat.as_ref().map_or(1, Vec::len);
            slots.push(case);
            if let Some(payload) = variant.cases.get(case as usize).and_then(|c| c.ty) {
                flat(input, table, payload, handles, slots);
            }
            while slots.len() < end {
                slots.push(input.number());
            }
        }
        _ => slots.push(input.number()),
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
