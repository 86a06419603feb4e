//! The guest's resources: one table per instance (*Canonical ABI Explainer*, *Table State*).

use super::Trap;
use super::files::{Descriptor, DirectoryEntryStream};
use super::http::{
    Fields, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingRequest, IncomingResponse, OutgoingBody,
    OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam,
};
use super::io::{InputStream, IoError, OutputStream, Pollable};
use super::terminals::{TerminalInput, TerminalOutput};
use std::task::{Context, Poll};

/// What pollables of a resource wait for; most are always ready.
pub(super) trait Ready {
    /// Ready, or `cx` is woken when that may have changed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A type of resource.
pub(super) trait Held: Sized {
    const NAME: &str;
    fn get(resource: &Resource) -> Option<&Self>;
    fn get_mut(resource: &mut Resource) -> Option<&mut Self>;
    fn take(resource: Resource) -> Option<Self>;
}

/// The kinds, with their WIT names; those under `request` end with the request that they belong to. Large ones are
/// `boxed`: resources are moved often.
macro_rules! resources {
    (
        instance { $($kind:ident $name:literal $($place:ident)?,)* }
        request { $($bound:ident $bound_name:literal $($bound_place:ident)?,)* }
    ) => {
        /// A resource of the guest.
        #[derive(Debug)]
        pub(super) enum Resource {
            $($kind(resources!(@type $kind $($place)?)),)*
            $($bound(resources!(@type $bound $($bound_place)?)),)*
            /// What is left of a resource whose request has ended while the guest held its handle: it can be dropped,
            /// and nothing else.
            Ended,
        }

        impl Resource {
            /// The WIT name, for messages.
            pub(super) fn name(&self) -> &'static str {
                match self {
                    $(Resource::$kind(_) => $name,)*
                    $(Resource::$bound(_) => $bound_name,)*
                    Resource::Ended => "a request that has ended",
                }
            }

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
                match self {
                    $(Resource::$kind(r) => r.poll_ready(cx),)*
                    $(Resource::$bound(r) => r.poll_ready(cx),)*
                    Resource::Ended => Poll::Ready(()),
                }
            }

            fn is_bound(&self) -> bool {
                match self {
                    $(Resource::$kind(_) => false,)*
                    $(Resource::$bound(_) => true,)*
                    Resource::Ended => true,
                }
            }
        }

        resources!(@held $($kind $name $($place)?,)* $($bound $bound_name $($bound_place)?,)*);
    };
    (@type $kind:ident) => { $kind };
    (@type $kind:ident boxed) => { Box<$kind> };
    (@out $resource:ident) => { $resource };
    (@out $resource:ident boxed) => { *$resource };
    (@held $($kind:ident $name:literal $($place:ident)?,)*) => {
        $(impl Held for $kind {
            const NAME: &str = $name;
            fn get(resource: &Resource) -> Option<&Self> {
                match resource { Resource::$kind(r) => Some(r), _ => None }
            }
            fn get_mut(resource: &mut Resource) -> Option<&mut Self> {
                match resource { Resource::$kind(r) => Some(r), _ => None }
            }
            fn take(resource: Resource) -> Option<Self> {
                match resource { Resource::$kind(r) => Some(resources!(@out r $($place)?)), _ => None }
            }
        })*
    };
}

/// `wasi:sockets/network.network`: a name for a network to which nothing is allowed.
#[derive(Debug)]
pub(super) struct Network;

resources! {
    instance {
        IoError "error",
        Pollable "pollable",
        InputStream "input-stream",
        OutputStream "output-stream",
        Fields "fields",
        RequestOptions "request-options",
        Network "network",
        Descriptor "descriptor" boxed,
        DirectoryEntryStream "directory-entry-stream",
        TerminalInput "terminal-input",
        TerminalOutput "terminal-output",
    }
    request {
        IncomingRequest "incoming-request" boxed,
        IncomingBody "incoming-body",
        FutureTrailers "future-trailers",
        OutgoingRequest "outgoing-request" boxed,
        OutgoingResponse "outgoing-response",
        OutgoingBody "outgoing-body",
        ResponseOutparam "response-outparam",
        FutureIncomingResponse "future-incoming-response" boxed,
        IncomingResponse "incoming-response" boxed,
    }
}

/// As few words as a move should take.
const _: () = assert!(size_of::<Resource>() <= 64, "a large kind of resource is to be `boxed`");

impl Ready for IoError {}
impl Ready for Pollable {}
impl Ready for Fields {}
impl Ready for RequestOptions {}
impl Ready for Network {}
impl Ready for Descriptor {}
impl Ready for DirectoryEntryStream {}
impl Ready for TerminalInput {}
impl Ready for TerminalOutput {}
impl Ready for IncomingRequest {}
impl Ready for IncomingBody {}
impl Ready for OutgoingRequest {}
impl Ready for OutgoingResponse {}
impl Ready for OutgoingBody {}
impl Ready for ResponseOutparam {}
impl Ready for IncomingResponse {}

impl Ready for InputStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_ready(cx)
    }
}

impl Ready for OutputStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sink.poll_ready(cx)
    }
}

#[derive(Debug)]
struct Entry {
    resource: Resource,
    parent: Option<u32>,
    children: u32,
}

/// A table of handles. Index 0 is never given out; freed indices are reused last in, first out.
#[derive(Debug)]
pub struct Handles {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    limit: usize,
}

impl Handles {
    /// An empty table for at most `limit` live handles: a guest that leaks must not eat the host.
    pub(super) fn new(limit: usize) -> Handles {
        Handles { entries: Vec::new(), free: Vec::new(), limit }
    }

    /// Adds a resource; a child must be dropped before its parent.
    pub(super) fn push(&mut self, resource: Resource, parent: Option<u32>) -> Result<u32, Trap> {
        if self.free.is_empty() && self.entries.len() > self.limit {
            return Err(Trap::new(format!("more than {} live handles", self.limit)));
        }
        if let Some(parent) = parent {
            self.entry_mut(parent)?.children += 1;
        }
        let entry = Some(Entry { resource, parent, children: 0 });
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            return Ok(index);
        }
        if self.entries.is_empty() {
            self.entries.reserve(16);
            self.entries.push(None);
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).map_err(|_| unknown(u32::MAX))
    }

    /// How many resources are alive.
    pub fn live(&self) -> usize {
        self.entries.len().saturating_sub(1) - self.free.len()
    }

    /// Ends what belongs to a request that is over: bodies and what streams from them, requests and responses. Their
    /// handles stay until the guest drops them, which does nothing. Returns how many there were.
    pub fn end_request(&mut self) -> usize {
        let ended: Vec<usize> = (0..self.entries.len()).filter(|&index| self.is_bound(index)).collect();
        for &index in &ended {
            if let Some(entry) = &mut self.entries[index] {
                entry.resource = Resource::Ended;
            }
        }
        ended.len()
    }

    /// Whether a resource, or one that it is a child of, belongs to a request.
    fn is_bound(&self, mut index: usize) -> bool {
        while let Some(Some(entry)) = self.entries.get(index) {
            if entry.resource.is_bound() {
                return true;
            }
            // Parents are older than their children, so that this ends.
            match entry.parent {
                Some(parent) => index = parent as usize,
                None => return false,
            }
        }
        false
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

    /// Whether the resource behind a handle is ready. One that is gone keeps nobody waiting.
    pub(super) fn poll_ready(&mut self, index: u32, cx: &mut Context<'_>) -> Poll<()> {
        match self.entries.get_mut(index as usize) {
            Some(Some(entry)) => entry.resource.poll_ready(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Moves a resource out, as an `own` argument does. Traps while it has children.
    pub(super) fn take<T: Held>(&mut self, index: u32) -> Result<T, Trap> {
        self.get::<T>(index)?;
        let resource = self.remove(index)?;
        T::take(resource).ok_or_else(|| unknown(index))
    }

    /// Drops a resource, as `[resource-drop]` does. Traps while it has children.
    pub(super) fn drop<T: Held>(&mut self, index: u32) -> Result<(), Trap> {
        let resource = &self.entry_mut(index)?.resource;
        if T::get(resource).is_none() && !matches!(resource, Resource::Ended) {
            return Err(wrong::<T>(index, resource));
        }
        self.remove(index).map(drop)
    }

    fn remove(&mut self, index: u32) -> Result<Resource, Trap> {
        let entry = self.entry_mut(index)?;
        if entry.children > 0 {
            let (name, children) = (entry.resource.name(), entry.children);
            return Err(Trap::new(format!("handle {index}, of type {name}, still has {children} child resources")));
        }
        let entry = self.entries[index as usize].take().ok_or_else(|| unknown(index))?;
        self.free.push(index);
        if let Some(parent) = entry.parent {
            self.entry_mut(parent)?.children -= 1;
        }
        Ok(entry.resource)
    }
}

fn unknown(index: u32) -> Trap {
    Trap::new(format!("handle {index} does not exist"))
}

fn wrong<T: Held>(index: u32, have: &Resource) -> Trap {
    Trap::new(format!("handle {index} is of type {}, not {}", have.name(), T::NAME))
}
