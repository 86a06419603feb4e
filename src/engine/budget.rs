//! What the memories and tables of one instance may grow to; the same for every engine.

use super::Limits;

/// Counts what is granted.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes of all memories together.
    memory: usize,
    /// Elements of each table.
    table: usize,
    used: usize,
    /// What was granted last, to be given back should the engine fail to make use of it.
    last: usize,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Budget {
        Budget { memory: limits.memory, table: limits.table, used: 0, last: 0 }
    }

    /// Bytes of all memories.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    fn grow_memory(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let more = desired.saturating_sub(current);
        let fits = maximum.is_none_or(|most| desired <= most) && more <= self.memory.saturating_sub(self.used);
        self.last = if fits { more } else { 0 };
        self.used += self.last;
        fits
    }

    fn memory_failed(&mut self) {
        self.used -= std::mem::take(&mut self.last);
    }

    fn grow_table(&self, desired: usize, maximum: Option<usize>) -> bool {
        desired <= self.table && maximum.is_none_or(|most| desired <= most)
    }
}

#[cfg(feature = "engine-wasmtime")]
impl wasmtime::ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow_memory(current, desired, maximum))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_failed();
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow_table(desired, maximum))
    }
}

#[cfg(feature = "engine-wasmi")]
impl wasmi::ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.grow_memory(current, desired, maximum))
    }

    fn memory_grow_failed(&mut self, _: &wasmi::errors::MemoryError) -> Result<(), wasmi_core::LimiterError> {
        self.memory_failed();
        Ok(())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.grow_table(desired, maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        usize::MAX
    }

    fn memories(&self) -> usize {
        usize::MAX
    }
}
