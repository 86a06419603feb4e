/// What every call of the guest needs.
#[derive(Clone)]
pub struct Support {
    memory: Option<Memory>,
    kept: Kept,
}

impl Support {
    pub fn of(mut store: impl AsContextMut, instance: &Instance) -> Result<Support, Trap> {
        let memory = instance.get_memory(store.as_context_mut(), MEMORY);
        let kept = kept(store, instance)?;
        Ok(Support { memory, kept })
    }
}

impl<'r, C: AsContextMut> Guest<'r, C> {
    /// The guest when the host calls it.
    pub fn of(support: &'r Support, store: C, function: &'static str) -> Guest<'r, C> {
        Guest {
            store,
            memory: support.memory,
            allocator: lent(&support.kept),
            function,
        }
    }

    /// Calls a function of the guest.
    #[inline]
    pub fn call<P: engine::WasmParams, R: engine::WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Trap> {
        function.call(self.store.as_context_mut(), params)
    }

    /// Lifts a result of one slot.
    #[inline]
    pub fn lifted<V: Flat>(&mut self, value: impl Slot) -> Result<V, Fault> {
        let mut words = [0];
        let mut s = Slots::of(&mut words);
        s.put(value);
        s.rewind();
        V::lift(&self.reader(), &mut s)
    }

    /// Calls what frees a result, if the guest has it.
    #[inline]
    pub fn post<P: engine::WasmParams>(
        &mut self,
        function: &Option<TypedFunc<P, ()>>,
        params: P,
    ) -> Result<(), Trap> {
        match function {
            Some(function) => function.call(self.store.as_context_mut(), params),
            None => Ok(()),
        }
    }
}

/// An export that a guest must have.
pub fn required<P: engine::WasmParams, R: engine::WasmResults>(
    mut store: impl AsContextMut,
    instance: &Instance,
    name: &str,
) -> Result<TypedFunc<P, R>, Trap> {
    instance.get_typed_func(store.as_context_mut(), name)
}

/// An export that a guest may leave out; one of another type is an error.
pub fn optional<P: engine::WasmParams, R: engine::WasmResults>(
    mut store: impl AsContextMut,
    instance: &Instance,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, Trap> {
    match instance.get_func(store.as_context_mut(), name) {
        Some(function) => Ok(Some(function.typed(store.as_context_mut())?)),
        None => Ok(None),
    }
}

