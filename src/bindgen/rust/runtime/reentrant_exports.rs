/// What is kept of the guest to allocate with.
type Kept = Option<Realloc>;

fn kept(store: impl AsContextMut, instance: &Instance) -> Result<Kept, Trap> {
    optional(store, instance, REALLOC)
}

fn lent(kept: &Kept) -> Allocator<'_> {
    kept.as_ref()
}

