/// What ends a call: a [`Fault`] of the guest, a trap inside it, or an error of the host's own.
pub type Trap = engine::Error;

/// How a guest broke the Canonical ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The function that was called.
    pub function: &'static str,
    /// What was wrong.
    pub reason: Reason,
}

/// What was wrong with a value or with the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A pointer with its length leaves the memory.
    Bounds,
    /// A pointer is not a multiple of the alignment of what it points to.
    Alignment,
    /// A discriminant is none of the cases'.
    Discriminant,
    /// A `char` is no Unicode scalar value.
    Char,
    /// A string is no UTF-8.
    Utf8,
    /// A list or string has more bytes than the Canonical ABI allows.
    Length,
    /// The values of one call take more of the host's memory than [`MAX_LIFTED`].
    Budget,
    /// A handle is none of the guest's.
    Handle,
    /// The guest allocated out of bounds or not aligned.
    Realloc,
    /// The guest exports no memory.
    NoMemory,
    /// The guest exports no realloc.
    NoRealloc,
    /// The region that the guest named is too small for the result.
    Arena,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Bounds => "a pointer leaves the memory",
            Reason::Alignment => "a pointer is not aligned",
            Reason::Discriminant => "a discriminant is none of the cases'",
            Reason::Char => "a char is no Unicode scalar value",
            Reason::Utf8 => "a string is no UTF-8",
            Reason::Length => "a list or string is too long",
            Reason::Budget => "the values of one call are too large",
            Reason::Handle => "a handle is none of the guest's",
            Reason::Realloc => "realloc gave memory that is out of bounds or not aligned",
            Reason::NoMemory => "the guest exports no memory",
            Reason::NoRealloc => "the guest exports no realloc",
            Reason::Arena => "the region for results is too small",
        };
        write!(f, "{}: {reason}", self.function)
    }
}

impl core::error::Error for Fault {}

