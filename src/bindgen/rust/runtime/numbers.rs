macro_rules! int {
    ($($ty:ident as $core:ident: $size:literal,)*) => {$(
        impl Layout for $ty {
            const SIZE: usize = $size;
            const ALIGN: usize = $size;
        }

        impl Value for $ty {
            #[inline]
            fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
                m.array(at).map($ty::from_le_bytes)
            }

            #[inline]
            fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
                g.put(at, &self.to_le_bytes())
            }
        }

        impl Flat for $ty {
            const FLAT: usize = 1;

            #[inline]
            fn lift(_: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
                Ok(s.take::<$core>() as $ty)
            }

            #[inline]
            fn lower<C: AsContextMut>(
                &self,
                _: &mut Guest<'_, C>,
                s: &mut Slots<'_>,
            ) -> Result<(), Trap> {
                s.put(*self as $core);
                Ok(())
            }
        }
    )*};
}

// Of a slot that is wider than the type the high bits are ignored.
int! {
    i8 as i32: 1,
    u16 as i32: 2,
    i16 as i32: 2,
    u32 as i32: 4,
    i32 as i32: 4,
    u64 as i64: 8,
    i64 as i64: 8,
    f32 as f32: 4,
    f64 as f64: 8,
}

impl Layout for u8 {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
}

impl Value for u8 {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        m.array(at).map(u8::from_le_bytes)
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        g.put(at, &[*self])
    }

    #[inline]
    fn load_all(m: &Reader<'_>, at: usize, length: usize) -> Result<Vec<Self>, Fault> {
        Ok(Vec::from(&m.bytes[at..at + length]))
    }

    #[inline]
    fn store_all<C: AsContextMut>(
        all: &[Self],
        g: &mut Guest<'_, C>,
        at: usize,
    ) -> Result<(), Trap> {
        g.put(at, all)
    }
}

impl Flat for u8 {
    const FLAT: usize = 1;

    #[inline]
    fn lift(_: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        Ok(s.take::<i32>() as u8)
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        _: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        s.put(i32::from(*self));
        Ok(())
    }
}

