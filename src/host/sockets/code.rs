//! `wasi:sockets/network.error-code`, in the order of the WIT.

use crate::host::value::Value;
use rustix::io::Errno;
use std::io::{Error, ErrorKind};

/// Why a socket function fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Code {
    Unknown,
    AccessDenied,
    NotSupported,
    InvalidArgument,
    OutOfMemory,
    Timeout,
    ConcurrencyConflict,
    NotInProgress,
    WouldBlock,
    InvalidState,
    NewSocketLimit,
    AddressNotBindable,
    AddressInUse,
    RemoteUnreachable,
    ConnectionRefused,
    ConnectionReset,
    ConnectionAborted,
    DatagramTooLarge,
    NameUnresolvable,
    TemporaryResolverFailure,
    PermanentResolverFailure,
}

impl From<Code> for Value {
    fn from(code: Code) -> Value {
        Value::case(code as u32)
    }
}

impl From<Errno> for Code {
    fn from(errno: Errno) -> Code {
        Code::from(&Error::from(errno))
    }
}

impl From<Error> for Code {
    fn from(error: Error) -> Code {
        Code::from(&error)
    }
}

impl From<&Error> for Code {
    fn from(error: &Error) -> Code {
        match Errno::from_io_error(error) {
            Some(Errno::ALREADY) => return Code::ConcurrencyConflict,
            Some(Errno::MFILE | Errno::NFILE) => return Code::NewSocketLimit,
            Some(Errno::MSGSIZE) => return Code::DatagramTooLarge,
            Some(Errno::NOBUFS) => return Code::OutOfMemory,
            Some(Errno::ISCONN | Errno::DESTADDRREQ) => return Code::InvalidState,
            Some(Errno::HOSTDOWN | Errno::NETRESET) => return Code::RemoteUnreachable,
            #[cfg(target_os = "linux")]
            Some(Errno::NONET) => return Code::RemoteUnreachable,
            Some(
                Errno::OPNOTSUPP
                | Errno::NOPROTOOPT
                | Errno::PFNOSUPPORT
                | Errno::PROTONOSUPPORT
                | Errno::PROTOTYPE
                | Errno::SOCKTNOSUPPORT
                | Errno::AFNOSUPPORT,
            ) => return Code::NotSupported,
            _ => {}
        }
        match error.kind() {
            ErrorKind::PermissionDenied => Code::AccessDenied,
            ErrorKind::Unsupported => Code::NotSupported,
            ErrorKind::InvalidInput => Code::InvalidArgument,
            ErrorKind::OutOfMemory => Code::OutOfMemory,
            ErrorKind::TimedOut => Code::Timeout,
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Code::WouldBlock,
            ErrorKind::NotConnected => Code::InvalidState,
            ErrorKind::AddrNotAvailable => Code::AddressNotBindable,
            ErrorKind::AddrInUse => Code::AddressInUse,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                Code::RemoteUnreachable
            }
            ErrorKind::ConnectionRefused => Code::ConnectionRefused,
            ErrorKind::ConnectionReset => Code::ConnectionReset,
            ErrorKind::ConnectionAborted => Code::ConnectionAborted,
            _ => Code::Unknown,
        }
    }
}
