//! Handle tables as the canonical ABI's text has them, without a thought for how they are stored.
//!
//! `Table` (an array whose first element is no handle, and a list of what is free, last first), `canon_resource_*`,
//! `lift_own`, `lift_borrow`, `lower_own`, `lower_borrow`, and the scope of a call. To that comes what the host keeps.

use super::super::testing::Random;

pub(super) const TABLES: u32 = 3;
pub(super) const TYPES: u32 = 5;
/// A type that the host defines.
pub(super) const HOST_OWN: u32 = 3;
/// A type that the first instance defines and the host is given.
pub(super) const HOST_KEPT: u32 = 4;
/// Which instance defines a type.
pub(super) const OWNERS: [Option<u32>; TYPES as usize] = [Some(0), Some(1), Some(2), None, Some(0)];

/// The first handle that the host gives.
const HOST_HANDLES: u32 = 7_000;

pub(super) struct Resource {
    pub(super) number: u32,
    pub(super) destructor: bool,
}

pub(super) const RESOURCES: [Resource; TYPES as usize] = [
    Resource { number: 0, destructor: true },
    Resource { number: 1, destructor: true },
    Resource { number: 2, destructor: false },
    Resource { number: HOST_OWN, destructor: false },
    Resource { number: HOST_KEPT, destructor: true },
];

/// What is called outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Destroyed(u32, u32),
    GivenBack(u32, u32),
    Made(u32, u32),
    Asked(u32, u32),
}

/// The host, which is the same one for the model and for what is tested.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) events: Vec<Event>,
    reps: Vec<u32>,
}

impl Host {
    pub(super) fn new_handle(&mut self, resource: u32, rep: u32) -> u32 {
        self.events.push(Event::Made(resource, rep));
        self.reps.push(rep);
        HOST_HANDLES + self.reps.len() as u32 - 1
    }

    pub(super) fn rep(&mut self, resource: u32, handle: u32) -> u32 {
        self.events.push(Event::Asked(resource, handle));
        self.reps.get(handle.wrapping_sub(HOST_HANDLES) as usize).copied().unwrap_or(u32::MAX)
    }
}

/// Views are numbered by table, then type; the host's come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    New { resource: u32, rep: u32 },
    Rep { resource: u32, index: u32 },
    Drop { table: u32, resource: u32, index: u32 },
    Own { index: u32, from: u32, to: u32 },
    Borrow { index: u32, from: u32, to: u32 },
    Enter,
    Exit,
}

fn view(table: Option<u32>, resource: u32) -> u32 {
    table.map_or(TABLES * TYPES + resource - HOST_OWN, |table| table * TYPES + resource)
}

fn viewed(view: u32) -> (Option<u32>, u32) {
    match view.checked_sub(TABLES * TYPES) {
        None => (Some(view / TYPES), view % TYPES),
        Some(host) => (None, HOST_OWN + host),
    }
}

#[derive(Debug, Clone, Copy)]
struct Handle {
    resource: u32,
    own: bool,
    /// Whether `rep` is the host's handle.
    backed: bool,
    /// Whether the host lent it, and wants it back.
    host_lent: bool,
    rep: u32,
    lends: u32,
    /// The call that a borrow is for.
    scope: usize,
}

#[derive(Debug)]
struct Table {
    array: Vec<Option<Handle>>,
    free: Vec<u32>,
}

impl Table {
    fn get(&self, index: u32, resource: u32) -> Option<Handle> {
        self.array.get(index as usize).copied().flatten().filter(|handle| handle.resource == resource)
    }

    fn add(&mut self, handle: Handle) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.array.push(None);
            self.array.len() as u32 - 1
        });
        self.array[index as usize] = Some(handle);
        index
    }

    fn remove(&mut self, index: u32) {
        self.array[index as usize] = None;
        self.free.push(index);
    }
}

#[derive(Debug, Default)]
struct Scope {
    borrows: u32,
    lenders: Vec<(u32, u32)>,
}

pub(super) struct Model {
    tables: Vec<Table>,
    scopes: Vec<Scope>,
    pub(super) host: Host,
    given: u32,
}

impl Default for Model {
    fn default() -> Model {
        let tables = (0..TABLES).map(|_| Table { array: vec![None], free: Vec::new() }).collect();
        Model { tables, scopes: Vec::new(), host: Host::default(), given: 0 }
    }
}

impl Model {
    /// The most handles that are in one table.
    pub(super) fn handles(&self) -> usize {
        self.tables.iter().map(|table| table.array.len() - 1 - table.free.len()).max().unwrap_or(0)
    }

    fn table(&mut self, table: u32) -> &mut Table {
        &mut self.tables[table as usize]
    }

    /// The result, or none if it traps.
    pub(super) fn act(&mut self, op: Op) -> Option<Option<u32>> {
        match op {
            Op::New { resource, rep } => {
                let owner = OWNERS[resource as usize]?;
                let handle = Handle { resource, own: true, backed: false, host_lent: false, rep, lends: 0, scope: 0 };
                Some(Some(self.table(owner).add(handle)))
            }
            Op::Rep { resource, index } => {
                let handle = self.table(OWNERS[resource as usize]?).get(index, resource)?;
                Some(Some(self.rep(handle)))
            }
            Op::Drop { table, resource, index } => self.drop_handle(table, resource, index).map(|()| None),
            Op::Own { index, from, to } => self.own(index, viewed(from), viewed(to).0).map(Some),
            Op::Borrow { index, from, to } => self.borrow(index, viewed(from), viewed(to).0).map(Some),
            Op::Enter => {
                self.scopes.push(Scope::default());
                Some(None)
            }
            Op::Exit => {
                let scope = self.scopes.pop().filter(|scope| scope.borrows == 0)?;
                for (table, index) in scope.lenders {
                    let lender = self.tables[table as usize].array[index as usize].as_mut();
                    lender.expect("what is lent stays").lends -= 1;
                }
                Some(None)
            }
        }
    }

    fn rep(&mut self, handle: Handle) -> u32 {
        if handle.backed { self.host.rep(handle.resource, handle.rep) } else { handle.rep }
    }

    fn drop_handle(&mut self, table: u32, resource: u32, index: u32) -> Option<()> {
        let handle = self.table(table).get(index, resource).filter(|handle| handle.lends == 0)?;
        self.table(table).remove(index);
        if !handle.own {
            self.scopes[handle.scope].borrows -= 1;
        }
        if if handle.own { handle.backed } else { handle.host_lent } {
            self.host.events.push(Event::GivenBack(resource, handle.rep));
        } else if handle.own && RESOURCES[resource as usize].destructor {
            self.host.events.push(Event::Destroyed(resource, handle.rep));
        }
        Some(())
    }

    fn own(&mut self, index: u32, (from, resource): (Option<u32>, u32), to: Option<u32>) -> Option<u32> {
        let handle = match from {
            Some(from) => {
                let handle = self.table(from).get(index, resource).filter(|handle| handle.own && handle.lends == 0)?;
                self.table(from).remove(index);
                handle
            }
            None => Handle { resource, own: true, backed: true, host_lent: false, rep: index, lends: 0, scope: 0 },
        };
        Some(match to {
            Some(to) => self.table(to).add(handle),
            None if handle.backed => handle.rep,
            None => self.host.new_handle(resource, handle.rep),
        })
    }

    fn borrow(&mut self, index: u32, (from, resource): (Option<u32>, u32), to: Option<u32>) -> Option<u32> {
        let host = resource == HOST_OWN;
        let mut handle = Handle { resource, own: false, backed: host, host_lent: host, rep: index, lends: 0, scope: 0 };
        if let Some(from) = from {
            handle = self.table(from).get(index, resource)?;
            self.scopes.last_mut()?.lenders.push((from, index));
            self.tables[from as usize].array[index as usize].as_mut()?.lends += 1;
            handle = Handle { own: false, host_lent: false, lends: 0, ..handle };
        }
        match to {
            None => Some(handle.rep),
            Some(to) if OWNERS[resource as usize] == Some(to) => Some(self.rep(handle)),
            Some(to) => {
                self.scopes.last_mut()?.borrows += 1;
                let scope = self.scopes.len() - 1;
                Some(self.table(to).add(Handle { scope, ..handle }))
            }
        }
    }

    /// A handle near a random place.
    fn pick(&self, random: &mut Random, wanted: impl Fn(&Handle) -> bool) -> Option<(u32, u32, Handle)> {
        let table = random.below(TABLES as usize);
        let array = &self.tables[table].array;
        let start = random.below(array.len());
        let near = (start..array.len()).chain(0..start).take(60);
        let mut found = near.filter_map(|i| array[i].filter(&wanted).map(|handle| (table as u32, i as u32, handle)));
        found.next()
    }

    /// The next operation: one in `errors` has any arguments (0: none has), others make sense.
    pub(super) fn choose(&mut self, random: &mut Random, errors: usize, grow: bool) -> Op {
        if errors > 0
            && random.one_in(errors)
            && let Some(op) = self.anything(random)
        {
            return op;
        }
        for _ in 0..20 {
            if let Some(op) = self.sensible(random, grow) {
                return op;
            }
        }
        Op::Enter
    }

    fn made(random: &mut Random) -> Op {
        Op::New { resource: random.pick(&[0, 1, 2, HOST_KEPT]), rep: random.next() as u32 }
    }

    fn sensible(&mut self, random: &mut Random, grow: bool) -> Option<Op> {
        match random.below(if grow { 16 } else { 10 }) {
            0 | 10.. => Some(Model::made(random)),
            1 => {
                let (table, index, handle) = self.pick(random, |handle| handle.own)?;
                (OWNERS[handle.resource as usize] == Some(table))
                    .then_some(Op::Rep { resource: handle.resource, index })
            }
            2 | 3 => {
                let (table, index, handle) = self.pick(random, |handle| handle.lends == 0)?;
                Some(Op::Drop { table, resource: handle.resource, index })
            }
            4 | 5 => Some(self.sensible_own(random)?),
            6 | 7 => self.sensible_borrow(random),
            8 => (self.scopes.len() < 40).then_some(Op::Enter),
            _ => {
                let scope = self.scopes.len().checked_sub(1)?;
                if self.scopes[scope].borrows == 0 {
                    return Some(Op::Exit);
                }
                let (table, index, handle) =
                    self.pick(random, |handle| !handle.own && handle.lends == 0 && handle.scope == scope)?;
                Some(Op::Drop { table, resource: handle.resource, index })
            }
        }
    }

    /// A handle that the host gives.
    fn of_host(&mut self, random: &mut Random) -> (u32, u32) {
        if !self.host.reps.is_empty() && random.one_in(2) {
            return (HOST_KEPT, HOST_HANDLES + random.below(self.host.reps.len()) as u32);
        }
        self.given += 1;
        (HOST_OWN, self.given)
    }

    fn sensible_own(&mut self, random: &mut Random) -> Option<Op> {
        let to = Some(random.below(TABLES as usize) as u32);
        if random.one_in(4) {
            let (resource, index) = self.of_host(random);
            return Some(Op::Own { index, from: view(None, resource), to: view(to, resource) });
        }
        let (table, index, handle) = self.pick(random, |handle| handle.own && handle.lends == 0)?;
        let to = to.filter(|_| handle.resource < HOST_OWN || !random.one_in(3));
        Some(Op::Own { index, from: view(Some(table), handle.resource), to: view(to, handle.resource) })
    }

    fn sensible_borrow(&mut self, random: &mut Random) -> Option<Op> {
        self.scopes.last()?;
        let to = Some(random.below(TABLES as usize) as u32);
        if random.one_in(4) {
            let (resource, handle) = self.of_host(random);
            // Of what the component defines, the host gives representations.
            let index = if resource == HOST_KEPT { random.next() as u32 } else { handle };
            return Some(Op::Borrow { index, from: view(None, resource), to: view(to, resource) });
        }
        let (table, index, handle) = self.pick(random, |_| true)?;
        let to = to.filter(|_| handle.resource != HOST_OWN || !random.one_in(3));
        Some(Op::Borrow { index, from: view(Some(table), handle.resource), to: view(to, handle.resource) })
    }

    /// An operation on any index of any type, but for those that no adapter does: to lend outside of a call, to leave a
    /// call that is none. Nor is a borrow dropped while it is lent, which needs its instance to run while it waits.
    fn anything(&mut self, random: &mut Random) -> Option<Op> {
        let table = random.below(TABLES as usize) as u32;
        let resource = random.below(TYPES as usize) as u32;
        let end = self.tables[table as usize].array.len() + 2;
        let any = random.below(end) as u32;
        let index = random.pick(&[any, any, any, 0, u32::MAX, 0x1000_0000]);
        let to = view(Some(random.below(TABLES as usize) as u32), resource);
        match random.below(5) {
            0 => OWNERS[resource as usize].map(|_| Op::Rep { resource, index }),
            1 => {
                let handle = self.tables[table as usize].get(index, resource);
                let lent = handle.is_some_and(|handle| !handle.own && handle.lends > 0);
                (!lent).then_some(Op::Drop { table, resource, index })
            }
            2 => Some(Op::Own { index, from: view(Some(table), resource), to }),
            3 if !self.scopes.is_empty() => Some(Op::Borrow { index, from: view(Some(table), resource), to }),
            _ if !self.scopes.is_empty() => Some(Op::Exit),
            _ => None,
        }
    }
}
