//! `wasi:filesystem/types.error-code`, and the one way from the system's errors to it.

use std::io;

macro_rules! error_codes {
    ($($variant:ident $name:literal $text:literal,)*) => {
        /// Why something with files failed. In the order of the WIT, so that `as u32` is the case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $text] $variant,)* }

        impl ErrorCode {
            /// All of them, in order.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The name in the WIT.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            const fn text(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)* }
            }
        }
    };
}

error_codes! {
    Access "access" "permission denied",
    WouldBlock "would-block" "the operation would block",
    Already "already" "already in progress",
    BadDescriptor "bad-descriptor" "bad descriptor",
    Busy "busy" "device or resource busy",
    Deadlock "deadlock" "a deadlock would come of it",
    Quota "quota" "storage quota exceeded",
    Exist "exist" "file exists",
    FileTooLarge "file-too-large" "file too large",
    IllegalByteSequence "illegal-byte-sequence" "a name that is not UTF-8",
    InProgress "in-progress" "operation in progress",
    Interrupted "interrupted" "interrupted",
    Invalid "invalid" "invalid argument",
    Io "io" "input/output error",
    IsDirectory "is-directory" "is a directory",
    Loop "loop" "too many symbolic links",
    TooManyLinks "too-many-links" "too many hard links",
    MessageSize "message-size" "message too large",
    NameTooLong "name-too-long" "file name too long",
    NoDevice "no-device" "no such device",
    NoEntry "no-entry" "no such file or directory",
    NoLock "no-lock" "no locks available",
    InsufficientMemory "insufficient-memory" "not enough memory",
    InsufficientSpace "insufficient-space" "no space left on the device",
    NotDirectory "not-directory" "not a directory",
    NotEmpty "not-empty" "directory not empty",
    NotRecoverable "not-recoverable" "state not recoverable",
    Unsupported "unsupported" "not supported",
    NoTty "no-tty" "not a terminal",
    NoSuchDevice "no-such-device" "no such device or address",
    Overflow "overflow" "value too large",
    NotPermitted "not-permitted" "not permitted",
    Pipe "pipe" "broken pipe",
    ReadOnly "read-only" "read-only",
    InvalidSeek "invalid-seek" "not seekable",
    TextFileBusy "text-file-busy" "a program that runs cannot be written",
    CrossDevice "cross-device" "not on the same device",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for ErrorCode {}

/// The code stays in the error, where [`ErrorCode::of`] finds it again.
impl From<ErrorCode> for io::Error {
    fn from(code: ErrorCode) -> io::Error {
        io::Error::other(code)
    }
}

impl ErrorCode {
    /// The code of an error: our own, or the system's by number, or by kind where it has no number.
    pub fn of(error: &io::Error) -> ErrorCode {
        let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<ErrorCode>());
        ours.copied().or_else(|| by_number(error)).unwrap_or_else(|| by_kind(error.kind()))
    }
}

#[cfg(unix)]
fn by_number(error: &io::Error) -> Option<ErrorCode> {
    use rustix::io::Errno;
    // Two names of one number on some systems, which a pattern could not say.
    let errno = Errno::from_io_error(error)?;
    if errno == Errno::OPNOTSUPP || errno == Errno::NOTSUP || errno == Errno::NOSYS {
        return Some(ErrorCode::Unsupported);
    }
    Some(match errno {
        Errno::ACCESS => ErrorCode::Access,
        Errno::AGAIN => ErrorCode::WouldBlock,
        Errno::ALREADY => ErrorCode::Already,
        Errno::BADF => ErrorCode::BadDescriptor,
        Errno::BUSY => ErrorCode::Busy,
        Errno::DEADLK => ErrorCode::Deadlock,
        Errno::DQUOT => ErrorCode::Quota,
        Errno::EXIST => ErrorCode::Exist,
        Errno::FBIG => ErrorCode::FileTooLarge,
        Errno::ILSEQ => ErrorCode::IllegalByteSequence,
        Errno::INPROGRESS => ErrorCode::InProgress,
        Errno::INTR => ErrorCode::Interrupted,
        Errno::INVAL => ErrorCode::Invalid,
        Errno::ISDIR => ErrorCode::IsDirectory,
        Errno::LOOP => ErrorCode::Loop,
        Errno::MLINK => ErrorCode::TooManyLinks,
        Errno::MSGSIZE => ErrorCode::MessageSize,
        Errno::NAMETOOLONG => ErrorCode::NameTooLong,
        Errno::NODEV => ErrorCode::NoDevice,
        Errno::NOENT => ErrorCode::NoEntry,
        Errno::NOLCK => ErrorCode::NoLock,
        // Out of descriptors is what the WIT has no word for: memory comes closest.
        Errno::NOMEM | Errno::MFILE | Errno::NFILE => ErrorCode::InsufficientMemory,
        Errno::NOSPC => ErrorCode::InsufficientSpace,
        Errno::NOTDIR => ErrorCode::NotDirectory,
        Errno::NOTEMPTY => ErrorCode::NotEmpty,
        Errno::NOTRECOVERABLE => ErrorCode::NotRecoverable,
        Errno::NOTTY => ErrorCode::NoTty,
        Errno::NXIO => ErrorCode::NoSuchDevice,
        Errno::OVERFLOW => ErrorCode::Overflow,
        Errno::PERM => ErrorCode::NotPermitted,
        Errno::PIPE => ErrorCode::Pipe,
        Errno::ROFS => ErrorCode::ReadOnly,
        Errno::SPIPE => ErrorCode::InvalidSeek,
        Errno::TXTBSY => ErrorCode::TextFileBusy,
        Errno::XDEV => ErrorCode::CrossDevice,
        _ => return None,
    })
}

#[cfg(not(unix))]
fn by_number(_: &io::Error) -> Option<ErrorCode> {
    None
}

/// A path that leaves its directory is an error of cap-std without a number.
fn by_kind(kind: io::ErrorKind) -> ErrorCode {
    match kind {
        io::ErrorKind::AlreadyExists => ErrorCode::Exist,
        io::ErrorKind::BrokenPipe => ErrorCode::Pipe,
        io::ErrorKind::CrossesDevices => ErrorCode::CrossDevice,
        io::ErrorKind::Deadlock => ErrorCode::Deadlock,
        io::ErrorKind::DirectoryNotEmpty => ErrorCode::NotEmpty,
        io::ErrorKind::ExecutableFileBusy => ErrorCode::TextFileBusy,
        io::ErrorKind::FileTooLarge => ErrorCode::FileTooLarge,
        io::ErrorKind::Interrupted => ErrorCode::Interrupted,
        io::ErrorKind::InvalidFilename => ErrorCode::NameTooLong,
        io::ErrorKind::InvalidInput => ErrorCode::Invalid,
        io::ErrorKind::IsADirectory => ErrorCode::IsDirectory,
        io::ErrorKind::NotADirectory => ErrorCode::NotDirectory,
        io::ErrorKind::NotFound => ErrorCode::NoEntry,
        io::ErrorKind::NotSeekable => ErrorCode::InvalidSeek,
        io::ErrorKind::OutOfMemory => ErrorCode::InsufficientMemory,
        io::ErrorKind::PermissionDenied => ErrorCode::NotPermitted,
        io::ErrorKind::QuotaExceeded => ErrorCode::Quota,
        io::ErrorKind::ReadOnlyFilesystem => ErrorCode::ReadOnly,
        io::ErrorKind::ResourceBusy => ErrorCode::Busy,
        io::ErrorKind::StorageFull => ErrorCode::InsufficientSpace,
        io::ErrorKind::TooManyLinks => ErrorCode::TooManyLinks,
        io::ErrorKind::Unsupported => ErrorCode::Unsupported,
        io::ErrorKind::WouldBlock => ErrorCode::WouldBlock,
        _ => ErrorCode::Io,
    }
}
