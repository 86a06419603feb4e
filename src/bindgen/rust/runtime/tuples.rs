macro_rules! tuple {
    ($ty:ty, $($new:ident)?; $($name:ident $index:tt,)*) => {
        impl<$($name: Layout),*> Layout for $ty {
            const SIZE: usize = Check::record()$(.then::<$name>())*.size();
            const ALIGN: usize = Check::record()$(.then::<$name>())*.align;
        }

        impl<$($name: Value),*> Value for $ty {
            #[inline]
            fn load(m: &Reader<'_>, at: usize) -> Result<Self, Fault> {
                let mut check = Check::record();
                Ok($($new)?($($name::load(m, at + check.step::<$name>())?,)*))
            }

            #[inline]
            fn store<C: AsContextMut>(&self, g: &mut Guest<'_, C>, at: usize) -> Result<(), Trap> {
                let mut check = Check::record();
                $(self.$index.store(g, at + check.step::<$name>())?;)*
                Ok(())
            }
        }

        impl<$($name: Flat),*> Flat for $ty {
            const FLAT: usize = 0usize$(.saturating_add($name::FLAT))*;

            #[inline]
            fn lift(m: &Reader<'_>, s: &mut Slots<'_>) -> Result<Self, Fault> {
                Ok($($new)?($($name::lift(m, s)?,)*))
            }

            #[inline]
            fn lower<C: AsContextMut>(
                &self,
                g: &mut Guest<'_, C>,
                s: &mut Slots<'_>,
            ) -> Result<(), Trap> {
                $(self.$index.lower(g, s)?;)*
                Ok(())
            }
        }
    };
}

