//! UDP sockets as a state machine, without handles.

use super::address::{Family, check_remote};
use super::policy::{Access, Lease};
use super::tcp::system_socket;
use super::{Code, peek, registered};
use bytes::{Bytes, BytesMut};
use rustix::fd::{AsFd, BorrowedFd};
use socket2::{SockAddr, SockRef, Type};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The length of a datagram has 16 bits; what IP takes of it is the system's to know.
const MAX_DATAGRAM: usize = u16::MAX as usize;
/// Peers that a socket remembers, so that it can answer them.
const MAX_PEERS: usize = 64;
/// Datagrams from others that are passed over before somebody else gets a turn.
const MAX_STRANGERS: usize = 64;

/// What was received, and from where.
pub(in crate::host) type Datagram = (Bytes, SocketAddr);

/// A UDP socket.
#[derive(Debug)]
pub(in crate::host) struct Udp {
    socket: UdpSocket,
    family: Family,
    /// Where it was bound to.
    bound: Option<SocketAddr>,
    binding: bool,
    /// The only peer.
    remote: Option<SocketAddr>,
    /// Anyone may send to it: the policy lets it listen where it is bound.
    serves: bool,
    /// Who sent to it lately, when anyone may.
    peers: VecDeque<SocketAddr>,
    /// Received and not yet given.
    next: Option<Result<Datagram, Code>>,
    /// The system took no more.
    full: bool,
    lease: Lease,
}

impl Udp {
    pub(in crate::host) fn new(family: Family, access: &Access) -> Result<Udp, Code> {
        let lease = access.lease()?;
        let socket = system_socket(family, Type::DGRAM)?;
        let socket = registered(|| UdpSocket::from_std(socket.into()))?;
        Ok(Udp {
            socket,
            family,
            bound: None,
            binding: false,
            remote: None,
            serves: false,
            peers: VecDeque::new(),
            next: None,
            full: false,
            lease,
        })
    }

    pub(in crate::host) fn start_bind(&mut self, addr: SocketAddr) -> Result<(), Code> {
        if self.binding {
            return Err(Code::ConcurrencyConflict);
        }
        if self.bound.is_some() {
            return Err(Code::InvalidState);
        }
        self.family.check(addr)?;
        if !self.lease.may_bind(addr) {
            return Err(Code::AccessDenied);
        }
        SockRef::from(&self.socket).bind(&SockAddr::from(addr))?;
        let bound = self.socket.local_addr()?;
        self.bound = Some(bound);
        self.serves = self.lease.may_listen(bound);
        self.binding = true;
        Ok(())
    }

    pub(in crate::host) fn finish_bind(&mut self) -> Result<(), Code> {
        if std::mem::take(&mut self.binding) { Ok(()) } else { Err(Code::NotInProgress) }
    }

    /// Talks to one peer from now on, or to all.
    pub(in crate::host) fn associate(&mut self, remote: Option<SocketAddr>) -> Result<(), Code> {
        let bound = self.bound.filter(|_| !self.binding).ok_or(Code::InvalidState)?;
        if let Some(addr) = remote {
            self.family.check(addr)?;
            check_remote(addr)?;
            if !self.may_send(addr) {
                return Err(Code::AccessDenied);
            }
        }
        // What came in before may be of another peer.
        self.next = None;
        if self.remote.take().is_some() {
            self.dissociate(bound);
        }
        if let Some(addr) = remote {
            SockRef::from(&self.socket).connect(&SockAddr::from(addr))?;
            self.remote = Some(addr);
        }
        Ok(())
    }

    fn dissociate(&self, bound: SocketAddr) {
        // BSD systems report an error after they did it.
        let _ = rustix::net::connect_unspec(&self.socket);
        // Linux forgets a port that it had chosen itself. Should somebody else have got it since, nothing is left to do.
        if self.socket.local_addr().is_ok_and(|addr| addr.port() == 0) {
            let _ = SockRef::from(&self.socket).bind(&SockAddr::from(bound));
        }
    }

    fn may_send(&self, addr: SocketAddr) -> bool {
        self.lease.may_connect(addr) || self.serves && self.peers.contains(&addr)
    }

    /// Datagrams of strangers are passed over.
    fn is_welcome(&self, from: SocketAddr) -> bool {
        match self.remote {
            // The system lets in what had arrived before it knew of the peer.
            Some(remote) => remote.ip() == from.ip() && remote.port() == from.port(),
            None => self.serves || self.lease.may_connect(from),
        }
    }

    fn remember(&mut self, from: SocketAddr) {
        if self.serves && !self.peers.contains(&from) {
            if self.peers.len() >= MAX_PEERS {
                self.peers.pop_front();
            }
            self.peers.push_back(from);
        }
    }

    /// Ready when there is a datagram, or an error.
    pub(in crate::host) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.next.is_some() {
            return Poll::Ready(());
        }
        let mut buffer = BytesMut::with_capacity(MAX_DATAGRAM);
        for _ in 0..MAX_STRANGERS {
            buffer.clear();
            let error = match self.socket.try_recv_buf_from(&mut buffer) {
                Ok((_, from)) if self.is_welcome(from) => {
                    self.remember(from);
                    self.next = Some(Ok((Bytes::copy_from_slice(&buffer), from)));
                    return Poll::Ready(());
                }
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.socket.poll_recv_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(error)) => error,
                },
                Err(error) => error,
            };
            self.next = Some(Err(error.into()));
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A datagram, if one is there.
    pub(in crate::host) fn receive(&mut self) -> Result<Datagram, Code> {
        let _ = peek(|cx| self.poll_receive(cx));
        self.next.take().unwrap_or(Err(Code::WouldBlock))
    }

    /// Ready when the system takes datagrams.
    pub(in crate::host) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.full && self.socket.poll_send_ready(cx).is_pending() {
            return Poll::Pending;
        }
        self.full = false;
        Poll::Ready(())
    }

    /// Sends one datagram. Without an address it goes to the only peer.
    pub(in crate::host) fn send(&mut self, data: &[u8], to: Option<SocketAddr>) -> Result<(), Code> {
        if data.len() > MAX_DATAGRAM {
            return Err(Code::DatagramTooLarge);
        }
        let addr = match (to, self.remote) {
            (Some(to), Some(remote)) if to != remote => return Err(Code::InvalidArgument),
            (to, remote) => to.or(remote).ok_or(Code::InvalidArgument)?,
        };
        check_remote(addr)?;
        self.family.check(addr)?;
        if !self.may_send(addr) {
            return Err(Code::AccessDenied);
        }
        let connected = self.remote.is_some();
        let socket = SockRef::from(&self.socket);
        let send = || if connected { socket.send(data) } else { socket.send_to(data, &SockAddr::from(addr)) };
        // Straight to the system: tokio takes a new socket for full until it has heard otherwise. If it is really full,
        // the second attempt lets tokio know.
        let sent = match send() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.socket.try_io(Interest::WRITABLE, send),
            sent => sent,
        };
        self.full = sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        sent?;
        Ok(())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(in crate::host) fn local_address(&self) -> Result<SocketAddr, Code> {
        self.bound.ok_or(Code::InvalidState)?;
        Ok(self.socket.local_addr()?)
    }

    pub(in crate::host) fn remote_address(&self) -> Result<SocketAddr, Code> {
        self.remote.ok_or(Code::InvalidState)
    }

    pub(in crate::host) fn family(&self) -> Family {
        self.family
    }
}
