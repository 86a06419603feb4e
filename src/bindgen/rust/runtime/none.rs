/// Nothing allocates in the guest's memory.
type Allocator<'r> = Option<&'r ()>;

impl<C: AsContextMut> Guest<'_, C> {
    /// Functions that allocate were refused.
    pub fn alloc(&mut self, _: usize, _: usize) -> Result<usize, Trap> {
        Err(self.fault(Reason::NoRealloc))
    }
}

