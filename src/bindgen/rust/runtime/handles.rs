/// A table of handles for one kind of resource: what the host keeps for each handle of the guest.
/// It is one way to implement the traits here, and nothing needs it.
#[derive(Debug, Clone)]
pub struct Handles<R> {
    entries: Vec<Entry<R>>,
    free: Option<u32>,
}

#[derive(Debug, Clone)]
enum Entry<R> {
    Free(Option<u32>),
    Own(R),
}

impl<R> Default for Handles<R> {
    fn default() -> Self {
        Handles {
            entries: Vec::new(),
            free: None,
        }
    }
}

impl<R> Handles<R> {
    /// How many there may be (`MAX_TABLE_LENGTH`).
    pub const MAX: usize = (1 << 28) - 1;

    /// A new handle for `resource`; none where the table is full. Zero is never one.
    pub fn insert(&mut self, resource: R) -> Option<u32> {
        let index = match self.free {
            Some(index) => {
                let entry = self.entries.get_mut(index as usize)?;
                let Entry::Free(next) = *entry else {
                    return None;
                };
                self.free = next;
                *entry = Entry::Own(resource);
                index
            }
            None if self.entries.len() >= Self::MAX => return None,
            None => {
                self.entries.push(Entry::Own(resource));
                self.entries.len() as u32 - 1
            }
        };
        Some(index + 1)
    }

    /// The resource behind a handle.
    pub fn get(&self, handle: u32) -> Option<&R> {
        match self.entries.get(handle.checked_sub(1)? as usize)? {
            Entry::Own(resource) => Some(resource),
            Entry::Free(_) => None,
        }
    }

    /// The resource behind a handle.
    pub fn get_mut(&mut self, handle: u32) -> Option<&mut R> {
        match self.entries.get_mut(handle.checked_sub(1)? as usize)? {
            Entry::Own(resource) => Some(resource),
            Entry::Free(_) => None,
        }
    }

    /// Takes the resource away from the guest, whose handle is none any more.
    pub fn take(&mut self, handle: u32) -> Option<R> {
        let index = handle.checked_sub(1)?;
        let entry = self.entries.get_mut(index as usize)?;
        if let Entry::Free(_) = entry {
            return None;
        }
        let Entry::Own(resource) = core::mem::replace(entry, Entry::Free(self.free)) else {
            return None;
        };
        self.free = Some(index);
        Some(resource)
    }
}

