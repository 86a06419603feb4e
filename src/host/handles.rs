//! The guest's resources: one table per instance (*Canonical ABI Explainer*, *Table State*).

use super::Trap;
use super::http::{
    Fields, FutureTrailers, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
    RequestOptions, ResponseOutparam,
};
use super::io::{InputStream, OutputStream, Pollable};

/// More live handles than this trap: a guest that leaks must not eat the host.
const MAX_HANDLES: usize = 4_000;

macro_rules! resources {
    ($($kind:ident $name:literal,)*) => {
        /// A resource of the guest.
        #[derive(Debug)]
        pub(super) enum Resource { $($kind($kind),)* }

        impl Resource {
            /// The WIT name, for messages.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Resource::$kind(_) => $name,)* }
            }
        }

        $(impl Held for $kind {
            const NAME: &str = $name;
            fn get(resource: &Resource) -> Option<&Self> {
                match resource { Resource::$kind(r) => Some(r), _ => None }
            }
            fn get_mut(resource: &mut Resource) -> Option<&mut Self> {
                match resource { Resource::$kind(r) => Some(r), _ => None }
            }
            fn take(resource: Resource) -> Option<Self> {
                match resource { Resource::$kind(r) => Some(r), _ => None }
            }
        })*
    };
}

/// A type of resource.
pub(super) trait Held: Sized {
    const NAME: &str;
    fn get(resource: &Resource) -> Option<&Self>;
    fn get_mut(resource: &mut Resource) -> Option<&mut Self>;
    fn take(resource: Resource) -> Option<Self>;
}

/// `wasi:io/error.error`: what went wrong, in words.
#[derive(Debug)]
pub(super) struct IoError(pub(super) String);

/// `wasi:sockets/network.network`: a name for a network to which nothing is allowed.
#[derive(Debug)]
pub(super) struct Network;

resources! {
    IoError "error",
    Pollable "pollable",
    InputStream "input-stream",
    OutputStream "output-stream",
    Fields "fields",
    IncomingRequest "incoming-request",
    IncomingBody "incoming-body",
    FutureTrailers "future-trailers",
    OutgoingRequest "outgoing-request",
    OutgoingResponse "outgoing-response",
    OutgoingBody "outgoing-body",
    RequestOptions "request-options",
    ResponseOutparam "response-outparam",
    Network "network",
}

#[derive(Debug)]
struct Entry {
    resource: Resource,
    parent: Option<u32>,
    children: u32,
}

/// A table of handles. Index 0 is never given out; freed indices are reused last in, first out.
#[derive(Debug, Default)]
pub struct Handles {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

impl Handles {
    /// Adds a resource; a child must be dropped before its parent.
    pub(super) fn push(&mut self, resource: Resource, parent: Option<u32>) -> Result<u32, Trap> {
        if let Some(parent) = parent {
            self.entry_mut(parent)?.children += 1;
        }
        let entry = Some(Entry { resource, parent, children: 0 });
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            return Ok(index);
        }
        if self.entries.is_empty() {
            self.entries.push(None);
        }
        if self.entries.len() > MAX_HANDLES {
            return Err(Trap::new(format!("more than {MAX_HANDLES} live handles")));
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).map_err(|_| unknown(u32::MAX))
    }

    /// How many resources are alive.
    pub fn live(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    fn entry_mut(&mut self, index: u32) -> Result<&mut Entry, Trap> {
        self.entries.get_mut(index as usize).and_then(Option::as_mut).ok_or_else(|| unknown(index))
    }

    pub(super) fn get<T: Held>(&self, index: u32) -> Result<&T, Trap> {
        let entry = self.entries.get(index as usize).and_then(Option::as_ref).ok_or_else(|| unknown(index))?;
        T::get(&entry.resource).ok_or_else(|| wrong::<T>(index, &entry.resource))
    }

    pub(super) fn get_mut<T: Held>(&mut self, index: u32) -> Result<&mut T, Trap> {
        let entry = self.entries.get_mut(index as usize).and_then(Option::as_mut).ok_or_else(|| unknown(index))?;
        if T::get(&entry.resource).is_none() {
            return Err(wrong::<T>(index, &entry.resource));
        }
        T::get_mut(&mut entry.resource).ok_or_else(|| unknown(index))
    }

    /// Moves a resource out, as an `own` argument does. Traps while it has children.
    pub(super) fn take<T: Held>(&mut self, index: u32) -> Result<T, Trap> {
        self.get::<T>(index)?;
        let entry = self.entry_mut(index)?;
        if entry.children > 0 {
            let (name, children) = (T::NAME, entry.children);
            return Err(Trap::new(format!("handle {index}, of type {name}, still has {children} child resources")));
        }
        let entry = self.entries[index as usize].take().ok_or_else(|| unknown(index))?;
        self.free.push(index);
        if let Some(parent) = entry.parent {
            self.entry_mut(parent)?.children -= 1;
        }
        T::take(entry.resource).ok_or_else(|| unknown(index))
    }
}

fn unknown(index: u32) -> Trap {
    Trap::new(format!("handle {index} does not exist"))
}

fn wrong<T: Held>(index: u32, have: &Resource) -> Trap {
    Trap::new(format!("handle {index} is of type {}, not {}", have.name(), T::NAME))
}
