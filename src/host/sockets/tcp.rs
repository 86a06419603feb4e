//! TCP sockets as a state machine, without handles (*TcpSocketOperationalSemantics* of WASI 0.2).

use super::address::{Family, check_remote, check_unicast};
use super::policy::{Access, Lease};
use super::tcp_stream::{Reader, Writer};
use super::{Code, peek, registered};
use crate::host::io::lock;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, TcpStream};

/// What the standard library takes.
const BACKLOG: i32 = 128;

/// A TCP socket.
pub(in crate::host) struct Tcp {
    phase: Phase,
    /// What was started and is to be finished.
    pending: Option<Operation>,
    family: Family,
    bound: bool,
    backlog: i32,
    lease: Lease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Bind,
    Connect,
    Listen,
}

enum Phase {
    /// Unbound or bound.
    Idle(Socket),
    /// An error that came at once is kept until the guest asks.
    Connecting(Result<Arc<TcpStream>, Error>),
    Connected(Connection),
    /// With a connection that was looked for and not yet given.
    Listening(TcpListener, Option<Result<TcpStream, Error>>),
    Closed,
}

/// The two directions of a connection.
#[derive(Clone)]
pub(in crate::host) struct Connection {
    stream: Arc<TcpStream>,
    pub(super) reader: Arc<Mutex<Reader>>,
    pub(super) writer: Arc<Mutex<Writer>>,
}

impl Connection {
    fn new(stream: Arc<TcpStream>) -> Connection {
        let reader = Arc::new(Mutex::new(Reader::new(stream.clone())));
        let writer = Arc::new(Mutex::new(Writer::new(stream.clone())));
        Connection { stream, reader, writer }
    }
}

impl std::fmt::Debug for Tcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tcp").field("family", &self.family).field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// A socket that never blocks and, for IPv6, keeps to IPv6.
pub(super) fn system_socket(family: Family, ty: Type) -> Result<Socket, Code> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, ty, None)?;
    socket.set_nonblocking(true)?;
    if family == Family::Ipv6 {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

impl Tcp {
    pub(in crate::host) fn new(family: Family, access: &Access) -> Result<Tcp, Code> {
        let lease = access.lease()?;
        let phase = Phase::Idle(system_socket(family, Type::STREAM)?);
        Ok(Tcp { phase, pending: None, family, bound: false, backlog: BACKLOG, lease })
    }

    /// A socket on which an operation can be started.
    fn idle(&self) -> Result<&Socket, Code> {
        match &self.phase {
            Phase::Idle(socket) => Ok(socket),
            _ => Err(Code::InvalidState),
        }
    }

    fn not_busy(&self) -> Result<(), Code> {
        if self.pending.is_some() { Err(Code::ConcurrencyConflict) } else { Ok(()) }
    }

    fn finish(&mut self, operation: Operation) -> Result<(), Code> {
        if self.pending != Some(operation) {
            return Err(Code::NotInProgress);
        }
        self.pending = None;
        Ok(())
    }

    pub(in crate::host) fn start_bind(&mut self, addr: SocketAddr) -> Result<(), Code> {
        self.not_busy()?;
        let socket = self.idle()?;
        if self.bound {
            return Err(Code::InvalidState);
        }
        check_unicast(addr)?;
        self.family.check(addr)?;
        if !self.lease.may_bind(addr) {
            return Err(Code::AccessDenied);
        }
        // Else connections that were closed a minute ago keep the port. On Windows the option means another thing.
        if cfg!(not(windows)) {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(addr))?;
        self.bound = true;
        self.pending = Some(Operation::Bind);
        Ok(())
    }

    pub(in crate::host) fn finish_bind(&mut self) -> Result<(), Code> {
        self.finish(Operation::Bind)
    }

    pub(in crate::host) fn start_connect(&mut self, addr: SocketAddr) -> Result<(), Code> {
        self.not_busy()?;
        self.idle()?;
        check_unicast(addr)?;
        check_remote(addr)?;
        self.family.check(addr)?;
        if !self.lease.may_connect(addr) {
            return Err(Code::AccessDenied);
        }
        if let Phase::Idle(socket) = std::mem::replace(&mut self.phase, Phase::Closed) {
            self.phase = Phase::Connecting(connect(socket, addr));
            self.pending = Some(Operation::Connect);
        }
        Ok(())
    }

    /// Ready when a connection attempt is over.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.phase {
            Phase::Connecting(Ok(stream)) => stream.poll_write_ready(cx).map(drop),
            _ => Poll::Ready(()),
        }
    }

    /// The socket is connected, or closed.
    pub(in crate::host) fn finish_connect(&mut self) -> Result<Connection, Code> {
        if self.pending == Some(Operation::Connect) && peek(|cx| self.poll_connect(cx)).is_pending() {
            return Err(Code::WouldBlock);
        }
        self.finish(Operation::Connect)?;
        let Phase::Connecting(attempt) = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(Code::InvalidState);
        };
        let stream = attempt.and_then(|stream| match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        });
        match stream {
            Ok(stream) => Ok(self.connected(stream)),
            // No local port was left: that of the peer is not to be bound.
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Err(Code::AddressInUse),
            Err(error) => Err(error.into()),
        }
    }

    fn connected(&mut self, stream: Arc<TcpStream>) -> Connection {
        let connection = Connection::new(stream);
        self.bound = true;
        self.phase = Phase::Connected(connection.clone());
        connection
    }

    pub(in crate::host) fn start_listen(&mut self) -> Result<(), Code> {
        self.not_busy()?;
        let socket = self.idle()?;
        if !self.bound {
            return Err(Code::InvalidState);
        }
        if !self.lease.may_listen(self.local_address()?) {
            return Err(Code::AccessDenied);
        }
        socket.listen(self.backlog)?;
        if let Phase::Idle(socket) = std::mem::replace(&mut self.phase, Phase::Closed) {
            let listener = registered(|| TcpListener::from_std(socket.into()))?;
            self.phase = Phase::Listening(listener, None);
            self.pending = Some(Operation::Listen);
        }
        Ok(())
    }

    pub(in crate::host) fn finish_listen(&mut self) -> Result<(), Code> {
        self.finish(Operation::Listen)
    }

    /// Ready when a connection is there, or an error.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Listening(listener, accepted @ None) = &mut self.phase {
            let result = ready!(listener.poll_accept(cx));
            *accepted = Some(result.map(|(stream, _)| stream));
        }
        Poll::Ready(())
    }

    /// A new socket, connected to who asked for it.
    pub(in crate::host) fn accept(&mut self) -> Result<(Tcp, Connection), Code> {
        if !matches!(self.phase, Phase::Listening(..)) || self.pending.is_some() {
            return Err(Code::InvalidState);
        }
        // Before a connection is taken that there is no room for.
        let lease = self.lease.lease()?;
        let _ = peek(|cx| self.poll_accept(cx));
        let Phase::Listening(_, accepted) = &mut self.phase else { return Err(Code::InvalidState) };
        let stream = accepted.take().ok_or(Code::WouldBlock)?.map_err(|error| accept_failed(&error))?;
        let (family, backlog) = (self.family, self.backlog);
        let mut tcp = Tcp { phase: Phase::Closed, pending: None, family, bound: true, backlog, lease };
        let connection = tcp.connected(Arc::new(stream));
        Ok((tcp, connection))
    }

    /// Ready when what was started can be finished, or a connection can be accepted.
    pub(in crate::host) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.pending {
            Some(Operation::Connect) => self.poll_connect(cx),
            Some(_) => Poll::Ready(()),
            None => self.poll_accept(cx),
        }
    }

    /// Ends directions of a connection; again does nothing.
    pub(in crate::host) fn shutdown(&mut self, receive: bool, send: bool) -> Result<(), Code> {
        let Phase::Connected(connection) = &self.phase else { return Err(Code::InvalidState) };
        if receive {
            lock(&connection.reader).close();
        }
        if send {
            lock(&connection.writer).close();
        }
        Ok(())
    }

    /// The socket of the system, for options.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>, Code> {
        match &self.phase {
            Phase::Idle(socket) => Ok(socket.as_fd()),
            Phase::Connecting(Ok(stream)) => Ok(stream.as_fd()),
            Phase::Connected(connection) => Ok(connection.stream.as_fd()),
            Phase::Listening(listener, _) => Ok(listener.as_fd()),
            Phase::Connecting(Err(_)) | Phase::Closed => Err(Code::InvalidState),
        }
    }

    pub(in crate::host) fn local_address(&self) -> Result<SocketAddr, Code> {
        let fd = self.fd()?;
        if !self.bound {
            return Err(Code::InvalidState);
        }
        let addr = socket2::SockRef::from(&fd).local_addr()?;
        addr.as_socket().ok_or(Code::Unknown)
    }

    pub(in crate::host) fn remote_address(&self) -> Result<SocketAddr, Code> {
        match &self.phase {
            Phase::Connected(connection) => Ok(connection.stream.peer_addr()?),
            _ => Err(Code::InvalidState),
        }
    }

    pub(in crate::host) fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listening(..)) && self.pending.is_none()
    }

    pub(in crate::host) fn family(&self) -> Family {
        self.family
    }

    pub(in crate::host) fn set_backlog(&mut self, size: u64) -> Result<(), Code> {
        if size == 0 {
            return Err(Code::InvalidArgument);
        }
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        match &self.phase {
            Phase::Idle(_) => {}
            Phase::Listening(listener, _) => {
                socket2::SockRef::from(listener).listen(size).map_err(|_| Code::NotSupported)?;
            }
            _ => return Err(Code::InvalidState),
        }
        self.backlog = size;
        Ok(())
    }
}

/// Starts to connect.
fn connect(socket: Socket, addr: SocketAddr) -> Result<Arc<TcpStream>, Error> {
    match socket.connect(&SockAddr::from(addr)) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => registered(|| TcpStream::from_std(socket.into())).map(Arc::new),
    }
}

fn is_under_way(error: &Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || Errno::from_io_error(error) == Some(Errno::INPROGRESS)
}

/// Linux reports here what went wrong with a connection that nobody has yet.
fn accept_failed(error: &Error) -> Code {
    match Code::from(error) {
        Code::ConnectionReset | Code::RemoteUnreachable | Code::NotSupported => Code::ConnectionAborted,
        code => code,
    }
}
