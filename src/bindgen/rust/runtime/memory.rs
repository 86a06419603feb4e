/// Bytes that the values of one call may take on the host. Lists may lie over each other in the
/// guest's memory, so what they take when lifted has no other bound.
pub const MAX_LIFTED: usize = 1 << 27;

/// `MAX_STRING_BYTE_LENGTH` and `MAX_LIST_BYTE_LENGTH` of the Canonical ABI.
const MAX_BYTES: usize = (1 << 28) - 1;

/// Size and alignment of a type in the guest's memory, in bytes.
pub trait Layout {
    /// A multiple of the alignment.
    const SIZE: usize;
    /// A power of two.
    const ALIGN: usize;
}

/// What lies in the guest's memory. Whoever calls has checked that the value is in bounds there.
pub trait Value: Layout + Sized {
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault>;

    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap>;

    #[inline]
    fn load_all(m: &Reader<'_>, at: usize, length: usize) -> Result<Vec<Self>, Fault> {
        (0..length)
            .map(|i| Self::load(m, at + i * Self::SIZE))
            .collect()
    }

    #[inline]
    fn store_all<C: AsContextMut>(
        all: &[Self],
        g: &mut Guest<'_, C>,
        at: usize,
    ) -> Result<(), Trap> {
        let mut each = all.iter().enumerate();
        each.try_for_each(|(i, value)| value.store(g, at + i * Self::SIZE))
    }
}

/// What has a flat form.
pub trait Flat: Value {
    /// The number of its slots.
    const FLAT: usize;

    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault>;

    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap>;
}

/// A core value.
pub trait Slot {
    fn from_bits(bits: u64) -> Self;
    fn into_bits(self) -> u64;
}

impl Slot for i32 {
    #[inline]
    fn from_bits(bits: u64) -> i32 {
        bits as i32
    }

    #[inline]
    fn into_bits(self) -> u64 {
        u64::from(self as u32)
    }
}

impl Slot for i64 {
    #[inline]
    fn from_bits(bits: u64) -> i64 {
        bits as i64
    }

    #[inline]
    fn into_bits(self) -> u64 {
        self as u64
    }
}

impl Slot for f32 {
    #[inline]
    fn from_bits(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }

    #[inline]
    fn into_bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Slot for f64 {
    #[inline]
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }

    #[inline]
    fn into_bits(self) -> u64 {
        self.to_bits()
    }
}

/// Core values by their bits, so that a slot that cases of several types share needs no conversion.
#[derive(Debug)]
pub struct Slots<'s> {
    values: &'s mut [u64],
    next: usize,
}

impl<'s> Slots<'s> {
    /// As many as the function has, so that what they hold can stay in registers.
    #[inline]
    pub fn of(values: &'s mut [u64]) -> Slots<'s> {
        Slots { values, next: 0 }
    }

    #[inline]
    pub fn put(&mut self, value: impl Slot) {
        if let Some(slot) = self.values.get_mut(self.next) {
            *slot = value.into_bits();
        }
        self.next += 1;
    }

    #[inline]
    pub fn take<V: Slot>(&mut self) -> V {
        let bits = self.values.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        V::from_bits(bits)
    }

    #[inline]
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// Where the slots of a value end that begins here.
    #[inline]
    pub fn end(&self, flat: usize) -> usize {
        self.next.saturating_add(flat)
    }

    #[inline]
    pub fn seek(&mut self, end: usize) {
        self.next = end;
    }
}

/// The guest's memory while values are lifted from it.
#[derive(Debug)]
pub struct Reader<'m> {
    bytes: &'m [u8],
    function: &'static str,
    budget: Cell<usize>,
}

impl<'m> Reader<'m> {
    #[inline]
    pub fn new(bytes: &'m [u8], function: &'static str) -> Reader<'m> {
        Reader {
            bytes,
            function,
            budget: Cell::new(MAX_LIFTED),
        }
    }

    #[cold]
    pub fn fault(&self, reason: Reason) -> Fault {
        Fault {
            function: self.function,
            reason,
        }
    }

    #[inline]
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Fault> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or_else(|| self.fault(Reason::Bounds))
    }

    /// Checks a pointer to so many bytes.
    #[inline(always)]
    pub fn place(&self, pointer: i32, align: usize, size: usize) -> Result<usize, Fault> {
        let at = pointer as u32 as usize;
        if at & (align - 1) != 0 {
            return Err(self.fault(Reason::Alignment));
        }
        match at.checked_add(size) {
            Some(end) if end <= self.bytes.len() => Ok(at),
            _ => Err(self.fault(Reason::Bounds)),
        }
    }

    /// Checks a list of elements of this layout: where it starts, and how many they are.
    #[inline]
    fn list<T: Layout>(&self, pointer: i32, length: i32) -> Result<(usize, usize), Fault> {
        let length = length as u32 as usize;
        let size = length
            .checked_mul(T::SIZE)
            .filter(|&size| size <= MAX_BYTES);
        let size = size.ok_or_else(|| self.fault(Reason::Length))?;
        Ok((self.place(pointer, T::ALIGN, size)?, length))
    }

    /// Checks that the host may take so many bytes more.
    #[inline]
    fn spend(&self, size: usize) -> Result<(), Fault> {
        let left = self.budget.get().checked_sub(size);
        self.budget
            .set(left.ok_or_else(|| self.fault(Reason::Budget))?);
        Ok(())
    }

    /// A value at a pointer.
    #[inline]
    pub fn value<V: Value>(&self, pointer: i32) -> Result<V, Fault> {
        V::load(self, self.place(pointer, V::ALIGN, V::SIZE)?)
    }

    #[inline]
    fn vec<T: Value>(&self, pointer: i32, length: i32) -> Result<Vec<T>, Fault> {
        let (at, length) = self.list::<T>(pointer, length)?;
        self.spend(length.saturating_mul(size_of::<T>()))?;
        T::load_all(self, at, length)
    }

    #[inline]
    fn string(&self, pointer: i32, length: i32) -> Result<String, Fault> {
        let text = self.text(pointer, length)?;
        self.spend(text.len())?;
        Ok(String::from(text))
    }

    #[inline]
    fn text(&self, pointer: i32, length: i32) -> Result<&'m str, Fault> {
        let bytes = self.span(pointer, length)?;
        core::str::from_utf8(bytes).map_err(|_| self.fault(Reason::Utf8))
    }

    #[inline]
    fn span(&self, pointer: i32, length: i32) -> Result<&'m [u8], Fault> {
        let (at, length) = self.list::<u8>(pointer, length)?;
        Ok(&self.bytes[at..at + length])
    }

    /// A number of one, two or four bytes.
    #[inline]
    pub fn tag(&self, at: usize, bytes: usize) -> Result<u32, Fault> {
        match bytes {
            1 => Ok(u32::from(u8::load(self, at)?)),
            2 => Ok(u32::from(u16::load(self, at)?)),
            _ => u32::load(self, at),
        }
    }

    /// A string that stays where it is.
    #[inline]
    pub fn lift_str(&self, s: &mut Slots<'_>) -> Result<&'m str, Fault> {
        self.text(s.take(), s.take())
    }

    /// Bytes that stay where they are.
    #[inline]
    pub fn lift_bytes(&self, s: &mut Slots<'_>) -> Result<&'m [u8], Fault> {
        self.span(s.take(), s.take())
    }

    /// A string that stays where it is.
    #[inline]
    pub fn load_str(&self, at: usize) -> Result<&'m str, Fault> {
        self.text(i32::load(self, at)?, i32::load(self, at + 4)?)
    }

    /// Bytes that stay where they are.
    #[inline]
    pub fn load_bytes(&self, at: usize) -> Result<&'m [u8], Fault> {
        self.span(i32::load(self, at)?, i32::load(self, at + 4)?)
    }
}

