fn allocator(store: impl AsContextMut, instance: &Instance) -> Result<Allocator, Trap> {
    optional(store, instance, REALLOC)
}

