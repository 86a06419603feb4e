//! The guest's memory, reached through one checked type.

use super::Trap;

/// A view of linear memory. Every access is checked for bounds, overflow and alignment.
#[derive(Debug)]
pub struct GuestMemory<'m> {
    bytes: &'m mut [u8],
}

impl<'m> GuestMemory<'m> {
    /// The whole memory, as it is now. A view must not outlive a call into the guest, which may grow the memory.
    pub fn new(bytes: &'m mut [u8]) -> Self {
        GuestMemory { bytes }
    }

    /// `len` bytes from `ptr`, which must be a multiple of `align`.
    pub fn read(&self, ptr: u32, len: u32, align: u32) -> Result<&[u8], Trap> {
        let range = range(ptr, len, align)?;
        self.bytes.get(range).ok_or_else(out_of_bounds)
    }

    /// The same, to be written.
    pub fn write(&mut self, ptr: u32, len: u32, align: u32) -> Result<&mut [u8], Trap> {
        let range = range(ptr, len, align)?;
        self.bytes.get_mut(range).ok_or_else(out_of_bounds)
    }

    /// A little-endian integer of `len` bytes, at most eight, naturally aligned.
    pub fn read_int(&self, ptr: u32, len: u32) -> Result<u64, Trap> {
        let mut word = [0; 8];
        word[..len as usize].copy_from_slice(self.read(ptr, len, len)?);
        Ok(u64::from_le_bytes(word))
    }

    /// Stores the low `len` bytes of an integer, naturally aligned.
    pub fn write_int(&mut self, ptr: u32, len: u32, value: u64) -> Result<(), Trap> {
        self.write(ptr, len, len)?.copy_from_slice(&value.to_le_bytes()[..len as usize]);
        Ok(())
    }
}

fn range(ptr: u32, len: u32, align: u32) -> Result<std::ops::Range<usize>, Trap> {
    if !ptr.is_multiple_of(align) {
        return Err(Trap::new(format!("pointer {ptr:#x} is not aligned to {align}")));
    }
    let start = ptr as usize;
    let end = start.checked_add(len as usize).ok_or_else(out_of_bounds)?;
    Ok(start..end)
}

fn out_of_bounds() -> Trap {
    Trap::new("a pointer out of bounds of the memory")
}
