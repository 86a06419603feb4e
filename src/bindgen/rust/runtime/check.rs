/// The layout of a record or variant, as it follows from those of its parts. It is only ever
/// computed by the compiler, which compares it with what the Canonical ABI says.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    size: usize,
    align: usize,
    /// Where payloads start, of a variant.
    payload: usize,
}

impl Check {
    pub const fn record() -> Check {
        Check {
            size: 0,
            align: 1,
            payload: 0,
        }
    }

    pub const fn variant(tag: usize, payload: usize) -> Check {
        Check {
            size: tag,
            align: tag,
            payload,
        }
    }

    pub const fn field<T: Layout>(self, offset: usize) -> Check {
        assert!(self.size.next_multiple_of(T::ALIGN) == offset);
        Check {
            size: offset + T::SIZE,
            align: larger(self.align, T::ALIGN),
            payload: 0,
        }
    }

    /// A field wherever it may lie.
    pub const fn then<T: Layout>(self) -> Check {
        self.field::<T>(self.size.next_multiple_of(T::ALIGN))
    }

    /// Where the next field lies.
    #[inline]
    fn step<T: Layout>(&mut self) -> usize {
        let at = self.size.next_multiple_of(T::ALIGN);
        self.size = at + T::SIZE;
        at
    }

    pub const fn size(self) -> usize {
        self.size.next_multiple_of(self.align)
    }

    pub const fn case<T: Layout>(self) -> Check {
        assert!(self.payload & (T::ALIGN - 1) == 0);
        let size = larger(self.size, self.payload + T::SIZE);
        Check {
            size,
            align: larger(self.align, T::ALIGN),
            payload: self.payload,
        }
    }

    pub const fn ends<T: Layout>(self) {
        self.is(T::SIZE, T::ALIGN);
    }

    pub const fn is(self, size: usize, align: usize) {
        assert!(self.size() == size);
        assert!(self.align == align);
    }
}

/// Compares the layout of a type with what the Canonical ABI says.
pub const fn same<T: Layout>(size: usize, align: usize) {
    assert!(T::SIZE == size);
    assert!(T::ALIGN == align);
}

macro_rules! record {
    ($abi:ident, $size:literal / $align:literal; $($offset:expr => $field:ty,)*) => {
        const _: () = {
            let check = $abi::Check::record();
            $(let check = check.field::<$field>($offset);)*
            check.is($size, $align);
        };
    };
    ($abi:ident, $name:ty; $($offset:expr => $field:ty,)*) => {
        const _: () = {
            let check = $abi::Check::record();
            $(let check = check.field::<$field>($offset);)*
            check.ends::<$name>();
        };
    };
}
pub(super) use record;

macro_rules! variant {
    ($abi:ident, $name:ty, $tag:literal; $($case:ty,)*) => {
        const _: () = {
            let check = $abi::Check::variant($tag, <$name>::PAYLOAD);
            $(let check = check.case::<$case>();)*
            check.ends::<$name>();
        };
    };
}
pub(super) use variant;

macro_rules! layouts {
    ($abi:ident; $($size:literal / $align:literal => $ty:ty,)*) => {
        const _: () = {
            $($abi::same::<$ty>($size, $align);)*
        };
    };
}
pub(super) use layouts;

