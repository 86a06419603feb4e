type Realloc = TypedFunc<(i32, i32, i32, i32), i32>;

/// What allocates in the guest's memory: its realloc.
type Allocator<'r> = Option<&'r Realloc>;

/// The realloc of the caller of a function that allocates in its memory.
pub fn realloc<T: 'static>(
    caller: &mut Caller<'_, T>,
    function: &'static str,
) -> Result<Realloc, Trap> {
    let Some(realloc) = caller.get_export(REALLOC).and_then(Extern::into_func) else {
        return Err(Fault {
            function,
            reason: Reason::NoRealloc,
        }
        .into());
    };
    realloc.typed(&*caller)
}

impl<'r, 'c, 'e, T: 'static> Guest<'r, &'c mut Caller<'e, T>> {
    /// The caller of a function that allocates in its memory by `realloc`.
    #[inline]
    pub fn with_realloc(
        caller: &'c mut Caller<'e, T>,
        function: &'static str,
        realloc: &'r Realloc,
    ) -> Result<Self, Trap> {
        let mut guest = Guest::with_memory(caller, function)?;
        guest.allocator = Some(realloc);
        Ok(guest)
    }
}

impl<C: AsContextMut> Guest<'_, C> {
    /// Asks the guest for memory.
    pub fn alloc(&mut self, align: usize, size: usize) -> Result<usize, Trap> {
        let Some(realloc) = self.allocator else {
            return Err(self.fault(Reason::NoRealloc));
        };
        let wanted = (0, 0, align as i32, size as i32);
        let pointer = realloc.call(self.store.as_context_mut(), wanted)?;
        let place = self.reader().place(pointer, align, size);
        place.map_err(|_| self.fault(Reason::Realloc))
    }
}

