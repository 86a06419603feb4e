type Realloc = TypedFunc<(i32, i32, i32, i32), i32>;

/// What allocates in the guest's memory: its realloc.
type Allocator = Option<Realloc>;

impl<'c, 'e, T: 'static> Guest<&'c mut Caller<'e, T>> {
    /// The caller of a function that allocates in its memory.
    #[inline]
    pub fn with_realloc(
        caller: &'c mut Caller<'e, T>,
        function: &'static str,
    ) -> Result<Self, Trap> {
        let mut guest = Guest::with_memory(caller, function)?;
        let Some(realloc) = guest.store.get_export(REALLOC).and_then(Extern::into_func) else {
            return Err(guest.fault(Reason::NoRealloc));
        };
        guest.allocator = Some(realloc.typed(&*guest.store)?);
        Ok(guest)
    }
}

impl<C: AsContextMut> Guest<C> {
    /// Asks the guest for memory.
    pub fn alloc(&mut self, align: usize, size: usize) -> Result<usize, Trap> {
        let Some(realloc) = &self.allocator else {
            return Err(self.fault(Reason::NoRealloc));
        };
        let wanted = (0, 0, align as i32, size as i32);
        let pointer = realloc.call(self.store.as_context_mut(), wanted)?;
        let place = self.reader().place(pointer, align, size);
        place.map_err(|_| self.fault(Reason::Realloc))
    }
}

