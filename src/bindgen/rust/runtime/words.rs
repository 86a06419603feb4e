/// A type whose values are numbers: `bool`, `char`, enums, flags and handles.
pub trait Word: Sized {
    /// Bytes in memory.
    const BYTES: usize;

    fn of(bits: u32) -> Result<Self, Reason>;

    fn bits(&self) -> u32;
}

impl<W: Word> Layout for W {
    const SIZE: usize = W::BYTES;
    const ALIGN: usize = W::BYTES;
}

impl<W: Word> Value for W {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        W::of(m.tag(at, W::BYTES)?).map_err(|reason| m.fault(reason))
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        g.put(at, &self.bits().to_le_bytes()[..W::BYTES])
    }
}

impl<W: Word> Flat for W {
    const FLAT: usize = 1;

    #[inline]
    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        W::of(s.take::<i32>() as u32).map_err(|reason| m.fault(reason))
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        _: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        s.put(self.bits() as i32);
        Ok(())
    }
}

impl Word for bool {
    const BYTES: usize = 1;

    // Whatever is not zero is true.
    #[inline]
    fn of(bits: u32) -> Result<bool, Reason> {
        Ok(bits != 0)
    }

    #[inline]
    fn bits(&self) -> u32 {
        u32::from(*self)
    }
}

impl Word for char {
    const BYTES: usize = 4;

    #[inline]
    fn of(bits: u32) -> Result<char, Reason> {
        char::from_u32(bits).ok_or(Reason::Char)
    }

    #[inline]
    fn bits(&self) -> u32 {
        u32::from(*self)
    }
}

