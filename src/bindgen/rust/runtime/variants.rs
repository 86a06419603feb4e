const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Size of a variant with a tag of one byte.
const fn tagged(align: usize, payload: usize) -> usize {
    (align + payload).next_multiple_of(align)
}

impl Layout for () {
    const SIZE: usize = 0;
    const ALIGN: usize = 1;
}

impl Value for () {
    #[inline]
    fn load(_: &Reader<'_>, _: usize) -> Result<Self, Fault> {
        Ok(())
    }

    #[inline]
    fn store<C: AsContextMut>(&self, _: &mut Guest<'_, C>, _: usize) -> Result<(), Trap> {
        Ok(())
    }
}

impl Flat for () {
    const FLAT: usize = 0;

    #[inline]
    fn lift(_: &Reader<'_>, _: &mut Slots<'_>) -> Result<Self, Fault> {
        Ok(())
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        _: &mut Guest<'_, C>,
        _: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        Ok(())
    }
}

impl<T: Layout> Layout for Option<T> {
    const SIZE: usize = tagged(T::ALIGN, T::SIZE);
    const ALIGN: usize = T::ALIGN;
}

impl<T: Value> Value for Option<T> {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        match u8::load(m, at)? {
            0 => Ok(None),
            1 => Ok(Some(T::load(m, at + T::ALIGN)?)),
            _ => Err(m.fault(Reason::Discriminant)),
        }
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        match self {
            None => 0u8.store(g, at),
            Some(value) => {
                1u8.store(g, at)?;
                value.store(g, at + T::ALIGN)
            }
        }
    }
}

impl<T: Flat> Flat for Option<T> {
    const FLAT: usize = T::FLAT.saturating_add(1);

    #[inline]
    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        let end = s.end(Self::FLAT);
        let value = match s.take::<i32>() {
            0 => None,
            1 => Some(T::lift(m, s)?),
            _ => return Err(m.fault(Reason::Discriminant)),
        };
        s.seek(end);
        Ok(value)
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        let end = s.end(Self::FLAT);
        match self {
            None => s.put(0),
            Some(value) => {
                s.put(1);
                value.lower(g, s)?;
            }
        }
        s.seek(end);
        Ok(())
    }
}

impl<T: Layout, E: Layout> Layout for Result<T, E> {
    const SIZE: usize = tagged(Self::ALIGN, larger(T::SIZE, E::SIZE));
    const ALIGN: usize = larger(T::ALIGN, E::ALIGN);
}

impl<T: Value, E: Value> Value for Result<T, E> {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        match u8::load(m, at)? {
            0 => Ok(Ok(T::load(m, at + Self::ALIGN)?)),
            1 => Ok(Err(E::load(m, at + Self::ALIGN)?)),
            _ => Err(m.fault(Reason::Discriminant)),
        }
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        u8::from(self.is_err()).store(g, at)?;
        match self {
            Ok(value) => value.store(g, at + Self::ALIGN),
            Err(error) => error.store(g, at + Self::ALIGN),
        }
    }
}

impl<T: Flat, E: Flat> Flat for Result<T, E> {
    const FLAT: usize = larger(T::FLAT, E::FLAT).saturating_add(1);

    #[inline]
    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        let end = s.end(Self::FLAT);
        let value = match s.take::<i32>() {
            0 => Ok(T::lift(m, s)?),
            1 => Err(E::lift(m, s)?),
            _ => return Err(m.fault(Reason::Discriminant)),
        };
        s.seek(end);
        Ok(value)
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        let end = s.end(Self::FLAT);
        s.put(i32::from(self.is_err()));
        match self {
            Ok(value) => value.lower(g, s)?,
            Err(error) => error.lower(g, s)?,
        }
        s.seek(end);
        Ok(())
    }
}

