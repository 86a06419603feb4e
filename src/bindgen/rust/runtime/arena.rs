/// A region of the guest's memory that the guest named for results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arena {
    next: u32,
    end: u32,
}

impl Arena {
    /// The region of `size` bytes at `pointer`; one that leaves the address space ends with it.
    pub const fn new(pointer: u32, size: u32) -> Arena {
        Arena {
            next: pointer,
            end: pointer.saturating_add(size),
        }
    }

    /// Where the next value goes at the earliest, and what is free behind it.
    pub const fn free(self) -> (u32, u32) {
        (self.next, self.end - self.next)
    }
}

/// What allocates in the guest's memory: the region that the guest named.
type Allocator<'r> = Option<&'r Cell<Arena>>;

/// A host that knows the region. The guest names it by the import `lowlift` `arena`.
pub trait Region {
    /// The region that results are written to.
    fn arena(&mut self) -> &mut Arena;
}

/// A region that values are lowered into.
pub fn region(arena: Arena) -> Cell<Arena> {
    Cell::new(arena)
}

impl<'r, C: AsContextMut> Guest<'r, C> {
    pub fn set_arena(&mut self, region: &'r Cell<Arena>) {
        self.allocator = Some(region);
    }

    /// Takes memory of the region.
    pub fn alloc(&mut self, align: usize, size: usize) -> Result<usize, Trap> {
        let region = self.allocator.ok_or_else(|| self.fault(Reason::Arena))?;
        let Arena { next, end } = region.get();
        let start = next.checked_next_multiple_of(align as u32);
        let taken = start.and_then(|start| start.checked_add(u32::try_from(size).ok()?));
        let (Some(start), Some(next)) = (start, taken.filter(|&next| next <= end)) else {
            return Err(self.fault(Reason::Arena));
        };
        let at = self.reader().place(start as i32, align, size)?;
        region.set(Arena { next, end });
        Ok(at)
    }
}

impl<T: 'static> Guest<'_, &mut Caller<'_, T>> {
    pub fn data(&mut self) -> &mut T {
        self.store.data_mut()
    }
}

