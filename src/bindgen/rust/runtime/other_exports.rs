fn allocator(_: impl AsContextMut, _: &Instance) -> Result<Allocator, Trap> {
    Ok(Allocator::default())
}

