//! `wasi:sockets`: networks, names, TCP and UDP. Everything is denied that [`NetPolicy`] does not allow.
//!
//! [`tcp`] and [`udp`] are sockets as state machines without handles; [`tcp_calls`] and [`udp_calls`] are the functions
//! of the WIT over them. [`policy`] and [`pattern`] say what is allowed.

mod address;
mod code;
mod lookup;
mod options;
mod pattern;
mod policy;
mod tcp;
mod tcp_calls;
mod tcp_stream;
mod udp;
mod udp_calls;

pub use pattern::{NetPattern, NetUse, PatternError};
pub(super) use policy::Access;
pub use policy::NetPolicy;

use super::handles::{Ready, Resource};
use super::io::{IoError, drop_of, lock, subscribe, unbudgeted};
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done, handle};
use code::Code;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// `wasi:sockets/network.network`. There is one network, and what is allowed on it is the policy's to say.
#[derive(Debug)]
pub(super) struct Network;

/// `tcp-socket`.
pub(super) type TcpSocket = tcp::Tcp;

/// `udp-socket`, which its streams share.
#[derive(Debug)]
pub(super) struct UdpSocket(Arc<Mutex<udp::Udp>>);

/// `incoming-datagram-stream`.
#[derive(Debug)]
pub(super) struct IncomingDatagrams(Arc<Mutex<udp::Udp>>);

/// `outgoing-datagram-stream`.
#[derive(Debug)]
pub(super) struct OutgoingDatagrams {
    socket: Arc<Mutex<udp::Udp>>,
    /// What the last `check-send` allowed.
    permit: u64,
}

/// `resolve-address-stream`.
pub(super) type ResolveAddresses = lookup::Lookup;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    match interface {
        "wasi:sockets/network" | "wasi:sockets/instance-network" => network(name),
        "wasi:sockets/ip-name-lookup" => names(name),
        "wasi:sockets/tcp" | "wasi:sockets/tcp-create-socket" => tcp_calls::function(name),
        "wasi:sockets/udp" | "wasi:sockets/udp-create-socket" => udp_calls::function(name),
        _ => None,
    }
}

fn network(name: &str) -> Option<Run> {
    Some(match name {
        "instance-network" => |s, _| {
            let network = s.push(Resource::Network(Network))?;
            done(network)
        },
        "network-error-code" => |s, a| {
            done(Value::option(match s.handles.get::<IoError>(handle(a, 0)?)? {
                IoError::System(error) => Some(Code::from(error)),
                IoError::Other(_) | IoError::Http(..) => None,
            }))
        },
        "[resource-drop]network" => |s, a| drop_of::<Network>(s, a),
        _ => return None,
    })
}

fn names(name: &str) -> Option<Run> {
    Some(match name {
        "resolve-addresses" => |s, a| {
            s.handles.get::<Network>(handle(a, 0)?)?;
            match ResolveAddresses::new(arg(a, 1)?.str()?, s.network()) {
                Ok(lookup) => {
                    let lookup = s.push(Resource::ResolveAddresses(lookup))?;
                    done(Value::ok(lookup))
                }
                Err(code) => done(Value::err(code)),
            }
        },
        "[method]resolve-address-stream.resolve-next-address" => |s, a| {
            let next = s.handles.get_mut::<ResolveAddresses>(handle(a, 0)?)?.next();
            answer(next.map(|ip| Value::option(ip.map(address::lower_ip))))
        },
        "[method]resolve-address-stream.subscribe" => |s, a| {
            s.handles.get::<ResolveAddresses>(handle(a, 0)?)?;
            subscribe(s, handle(a, 0)?)
        },
        "[resource-drop]resolve-address-stream" => |s, a| drop_of::<ResolveAddresses>(s, a),
        _ => return None,
    })
}

impl Ready for Network {}
impl Ready for UdpSocket {}

impl Ready for ResolveAddresses {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready(cx)
    }
}

impl Ready for TcpSocket {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready(cx)
    }
}

impl Ready for IncomingDatagrams {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(&self.0).poll_receive(cx)
    }
}

impl Ready for OutgoingDatagrams {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(&self.socket).poll_send(cx)
    }
}

impl State {
    /// What the instance may do on the network.
    fn network(&mut self) -> &Access {
        self.network.get_or_insert_with(|| Access::new(self.config.clone()))
    }
}

fn answer(result: Result<impl Into<Value>, Code>) -> Result<Step, Trap> {
    done(match result {
        Ok(value) => Value::ok(value),
        Err(code) => Value::err(code),
    })
}

fn unit(result: Result<(), Code>) -> Result<Step, Trap> {
    done(match result {
        Ok(()) => Value::ok_unit(),
        Err(code) => Value::err(code),
    })
}

/// Looks whether something is ready, without waiting.
fn peek<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    unbudgeted(&mut Context::from_waker(Waker::noop()), poll)
}

/// Makes a socket known to the runtime, which panics when there is none.
fn registered<T>(register: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => register(),
        Err(error) => Err(Error::new(ErrorKind::Unsupported, error)),
    }
}
