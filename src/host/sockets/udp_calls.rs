//! `wasi:sockets/udp` and `udp-create-socket`: the functions over [`Udp`].

use super::address::{Family, lift, lower};
use super::tcp_calls::hops;
use super::udp::Udp;
use super::{Code, IncomingDatagrams, Network, OutgoingDatagrams, UdpSocket, answer, options, peek, unit};
use crate::host::handles::Resource;
use crate::host::io::{drop_of, lock, subscribe};
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// Datagrams that one call sends or receives.
const MAX_DATAGRAMS: u64 = 16;
/// What is received is given away once it has this many bytes.
const MAX_BYTES: usize = 64 << 10;

pub(super) fn function(name: &str) -> Option<Run> {
    if let Some(method) = name.strip_prefix("[method]udp-socket.") {
        return operation(method).or_else(|| option(method));
    }
    Some(match name {
        "create-udp-socket" => |s, a| {
            let family = Family::lift(arg(a, 0)?)?;
            match Udp::new(family, s.network()) {
                Ok(udp) => {
                    let socket = s.push(Resource::UdpSocket(UdpSocket(Arc::new(Mutex::new(udp)))))?;
                    done(Value::ok(socket))
                }
                Err(code) => done(Value::err(code)),
            }
        },
        "[method]incoming-datagram-stream.receive" => |s, a| {
            let stream = s.handles.get::<IncomingDatagrams>(handle(a, 0)?)?;
            answer(receive(&mut lock(&stream.0), arg(a, 1)?.u64()?))
        },
        "[method]incoming-datagram-stream.subscribe" => |s, a| {
            s.handles.get::<IncomingDatagrams>(handle(a, 0)?)?;
            subscribe(s, handle(a, 0)?)
        },
        "[method]outgoing-datagram-stream.check-send" => |s, a| {
            let stream = s.handles.get_mut::<OutgoingDatagrams>(handle(a, 0)?)?;
            let ready = peek(|cx| lock(&stream.socket).poll_send(cx)).is_ready();
            stream.permit = if ready { MAX_DATAGRAMS } else { 0 };
            done(Value::ok(stream.permit))
        },
        "[method]outgoing-datagram-stream.send" => |s, a| {
            let datagrams = arg(a, 1)?.items()?.iter().map(outgoing).collect::<Result<Vec<_>, Trap>>()?;
            send(s.handles.get_mut(handle(a, 0)?)?, &datagrams)
        },
        "[method]outgoing-datagram-stream.subscribe" => |s, a| {
            s.handles.get::<OutgoingDatagrams>(handle(a, 0)?)?;
            subscribe(s, handle(a, 0)?)
        },
        "[resource-drop]udp-socket" => |s, a| drop_of::<UdpSocket>(s, a),
        "[resource-drop]incoming-datagram-stream" => |s, a| drop_of::<IncomingDatagrams>(s, a),
        "[resource-drop]outgoing-datagram-stream" => |s, a| drop_of::<OutgoingDatagrams>(s, a),
        _ => return None,
    })
}

fn operation(method: &str) -> Option<Run> {
    Some(match method {
        "start-bind" => |s, a| {
            s.handles.get::<Network>(handle(a, 1)?)?;
            let addr = lift(arg(a, 2)?)?;
            unit(socket(s, a)?.start_bind(addr))
        },
        "finish-bind" => |s, a| unit(socket(s, a)?.finish_bind()),
        "stream" => stream,
        "local-address" => |s, a| answer(socket(s, a)?.local_address().map(lower)),
        "remote-address" => |s, a| answer(socket(s, a)?.remote_address().map(lower)),
        "address-family" => |s, a| done(socket(s, a)?.family()),
        "subscribe" => |s, a| {
            drop(socket(s, a)?);
            subscribe(s, handle(a, 0)?)
        },
        _ => return None,
    })
}

fn option(method: &str) -> Option<Run> {
    Some(match method {
        "unicast-hop-limit" => |s, a| {
            let udp = socket(s, a)?;
            answer(options::hop_limit(udp.fd(), udp.family()))
        },
        "set-unicast-hop-limit" => |s, a| {
            let udp = socket(s, a)?;
            unit(options::set_hop_limit(udp.fd(), udp.family(), hops(arg(a, 1)?)?))
        },
        "receive-buffer-size" => |s, a| answer(options::receive_buffer_size(socket(s, a)?.fd())),
        "set-receive-buffer-size" => {
            |s, a| unit(options::set_receive_buffer_size(socket(s, a)?.fd(), arg(a, 1)?.u64()?))
        }
        "send-buffer-size" => |s, a| answer(options::send_buffer_size(socket(s, a)?.fd())),
        "set-send-buffer-size" => |s, a| unit(options::set_send_buffer_size(socket(s, a)?.fd(), arg(a, 1)?.u64()?)),
        _ => return None,
    })
}

fn socket<'s>(state: &'s State, args: &[Value]) -> Result<MutexGuard<'s, Udp>, Trap> {
    Ok(lock(&state.handles.get::<UdpSocket>(handle(args, 0)?)?.0))
}

/// Associates the socket and makes its two streams, of which only the last pair works: the WIT lets us trap on more.
fn stream(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    let index = handle(args, 0)?;
    let remote = arg(args, 1)?.as_option()?.map(lift).transpose()?;
    let socket = state.handles.get::<UdpSocket>(index)?.0.clone();
    // The handle's and this one; streams have more.
    if Arc::strong_count(&socket) > 2 {
        return Err(Trap::new("`stream` of a UDP socket whose streams were not dropped yet"));
    }
    if let Err(code) = lock(&socket).associate(remote) {
        return done(Value::err(code));
    }
    let outgoing = Resource::OutgoingDatagrams(OutgoingDatagrams { socket: socket.clone(), permit: 0 });
    let incoming = Resource::IncomingDatagrams(IncomingDatagrams(socket));
    let incoming = state.handles.push(incoming, Some(index))?;
    let outgoing = state.handles.push(outgoing, Some(index))?;
    done(Value::ok(Value::Record(vec![incoming.into(), outgoing.into()])))
}

/// An error is only told when no datagram came before it.
fn receive(udp: &mut Udp, most: u64) -> Result<Value, Code> {
    let (mut datagrams, mut bytes) = (Vec::new(), 0);
    while (datagrams.len() as u64) < most.min(MAX_DATAGRAMS) && bytes < MAX_BYTES {
        match udp.receive() {
            Ok((data, from)) => {
                bytes += data.len();
                datagrams.push(Value::Record(vec![data.into(), lower(from)]));
            }
            Err(Code::WouldBlock) => break,
            Err(code) if datagrams.is_empty() => return Err(code),
            Err(_) => break,
        }
    }
    Ok(Value::List(datagrams))
}

/// A datagram of the guest: data and address.
fn outgoing(value: &Value) -> Result<(bytes::Bytes, Option<SocketAddr>), Trap> {
    match value.items()? {
        [data, to] => Ok((data.bytes()?.clone(), to.as_option()?.map(lift).transpose()?)),
        _ => Err(Trap::new("a host function wanted a datagram")),
    }
}

/// Sends up to the first error, which is only told when nothing was sent before it.
fn send(stream: &mut OutgoingDatagrams, datagrams: &[(bytes::Bytes, Option<SocketAddr>)]) -> Result<Step, Trap> {
    if datagrams.is_empty() {
        return done(Value::ok(0u64));
    }
    if datagrams.len() as u64 > std::mem::take(&mut stream.permit) {
        return Err(Trap::new("more datagrams than the last `check-send` allowed"));
    }
    let mut udp = lock(&stream.socket);
    let mut sent = 0u64;
    for (data, to) in datagrams {
        match udp.send(data, *to) {
            Ok(()) => sent += 1,
            Err(Code::WouldBlock) => break,
            Err(code) if sent == 0 => return done(Value::err(code)),
            Err(_) => break,
        }
    }
    done(Value::ok(sent))
}
