impl Layout for String {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
}

impl Value for String {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        m.string(i32::load(m, at)?, i32::load(m, at + 4)?)
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        g.store_list(self.as_bytes(), at)
    }
}

impl Flat for String {
    const FLAT: usize = 2;

    #[inline]
    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        m.string(s.take(), s.take())
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        g.lower_list(self.as_bytes(), s)
    }
}

impl<T: Value> Layout for Vec<T> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
}

impl<T: Value> Value for Vec<T> {
    #[inline]
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        m.vec(i32::load(m, at)?, i32::load(m, at + 4)?)
    }

    #[inline]
    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        g.store_list(self, at)
    }
}

impl<T: Value> Flat for Vec<T> {
    const FLAT: usize = 2;

    #[inline]
    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        m.vec(s.take(), s.take())
    }

    #[inline]
    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        g.lower_list(self, s)
    }
}

impl<T: Layout, const N: usize> Layout for [T; N] {
    const SIZE: usize = T::SIZE * N;
    const ALIGN: usize = T::ALIGN;
}

impl<T: Value, const N: usize> Value for [T; N] {
    fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
        let all = T::load_all(m, at, N)?;
        all.try_into().map_err(|_| m.fault(Reason::Length))
    }

    fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
        T::store_all(self, g, at)
    }
}

impl<T: Flat, const N: usize> Flat for [T; N] {
    const FLAT: usize = T::FLAT.saturating_mul(N);

    fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
        let all: Result<Vec<T>, Fault> = (0..N).map(|_| T::lift(m, s)).collect();
        all?.try_into().map_err(|_| m.fault(Reason::Length))
    }

    fn lower<C: AsContextMut>(
        &self,
        g: &mut Guest<'_, C>,
        s: &mut Slots<'_>,
    ) -> Result<(), Trap> {
        self.iter().try_for_each(|value| value.lower(g, s))
    }
}

