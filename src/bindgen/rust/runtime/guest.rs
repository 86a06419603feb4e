/// The guest while values are lowered into it.
pub struct Guest<'r, C> {
    store: C,
    memory: Option<Memory>,
    // Borrowed: what has a destructor would cost every call.
    allocator: Allocator<'r>,
    function: &'static str,
}

impl<'c, 'e, T: 'static> Guest<'_, &'c mut Caller<'e, T>> {
    /// The caller of a function that needs nothing of it.
    #[inline]
    pub fn plain(caller: &'c mut Caller<'e, T>, function: &'static str) -> Self {
        Guest {
            store: caller,
            memory: None,
            allocator: None,
            function,
        }
    }

    /// The caller of a function that needs its memory.
    #[inline(always)]
    pub fn with_memory(
        caller: &'c mut Caller<'e, T>,
        function: &'static str,
    ) -> Result<Self, Trap> {
        let memory = caller.get_export(MEMORY).and_then(Extern::into_memory);
        if memory.is_none() {
            return Err(Fault {
                function,
                reason: Reason::NoMemory,
            }
            .into());
        }
        Ok(Guest {
            store: caller,
            memory,
            allocator: None,
            function,
        })
    }

    /// Its memory to lift from, and the store's data.
    #[inline(always)]
    pub fn split(&mut self) -> (Reader<'_>, &mut T) {
        match self.memory {
            Some(memory) => {
                let (bytes, data) = memory.data_and_store_mut(&mut *self.store);
                (Reader::new(bytes, self.function), data)
            }
            None => (Reader::new(&[], self.function), self.store.data_mut()),
        }
    }
}

impl<C: AsContextMut> Guest<'_, C> {
    #[cold]
    fn fault(&self, reason: Reason) -> Trap {
        Fault {
            function: self.function,
            reason,
        }
        .into()
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut [u8] {
        match self.memory {
            Some(memory) => memory.data_mut(self.store.as_context_mut()),
            None => &mut [],
        }
    }

    #[inline(always)]
    pub fn reader(&mut self) -> Reader<'_> {
        let function = self.function;
        Reader::new(self.bytes(), function)
    }

    #[inline(always)]
    pub fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), Trap> {
        let place = self
            .bytes()
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..bytes.len()));
        match place {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(self.fault(Reason::Bounds)),
        }
        Ok(())
    }

    /// Stores a result where the caller wants it.
    #[inline(always)]
    pub fn result<V: Value>(&mut self, pointer: i32, value: &V) -> Result<(), Trap> {
        let at = self.reader().place(pointer, V::ALIGN, V::SIZE)?;
        value.store(self, at)
    }

    /// Lowers a result that has one slot.
    #[inline]
    pub fn flat<V: Flat, S: Slot>(&mut self, value: &V) -> Result<S, Trap> {
        let mut words = [0];
        let mut s = Slots::of(&mut words);
        value.lower(self, &mut s)?;
        s.rewind();
        Ok(s.take())
    }

    /// Lowers the elements of a list: its pointer and length.
    fn list<T: Value>(&mut self, all: &[T]) -> Result<(i32, i32), Trap> {
        let size = all
            .len()
            .checked_mul(T::SIZE)
            .filter(|&size| size <= MAX_BYTES);
        let Some(size) = size else {
            return Err(self.fault(Reason::Length));
        };
        let at = self.alloc(T::ALIGN, size)?;
        T::store_all(all, self, at)?;
        Ok((at as i32, all.len() as i32))
    }

    #[inline]
    pub fn lower_list<T: Value>(&mut self, all: &[T], s: &mut Slots<'_>) -> Result<(), Trap> {
        let (pointer, length) = self.list(all)?;
        s.put(pointer);
        s.put(length);
        Ok(())
    }

    #[inline]
    pub fn store_list<T: Value>(&mut self, all: &[T], at: usize) -> Result<(), Trap> {
        let (pointer, length) = self.list(all)?;
        pointer.store(self, at)?;
        length.store(self, at + 4)
    }
}

