//! `wasi:sockets/tcp` and `tcp-create-socket`: the functions over [`Tcp`].

use super::address::{Family, lift, lower};
use super::tcp::{Connection, Tcp};
use super::{Code, Network, TcpSocket, answer, options, unit};
use crate::host::handles::Resource;
use crate::host::io::{InputStream, OutputStream, drop_of, subscribe};
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle};

pub(super) fn function(name: &str) -> Option<Run> {
    match name.strip_prefix("[method]tcp-socket.") {
        Some(method) => operation(method).or_else(|| option(method)),
        None => Some(match name {
            "create-tcp-socket" => |s, a| {
                let family = Family::lift(arg(a, 0)?)?;
                match Tcp::new(family, s.network()) {
                    Ok(tcp) => {
                        let socket = s.push(Resource::TcpSocket(Box::new(tcp)))?;
                        done(Value::ok(socket))
                    }
                    Err(code) => done(Value::err(code)),
                }
            },
            "[resource-drop]tcp-socket" => |s, a| drop_of::<TcpSocket>(s, a),
            _ => return None,
        }),
    }
}

fn operation(method: &str) -> Option<Run> {
    Some(match method {
        "start-bind" => |s, a| {
            s.handles.get::<Network>(handle(a, 1)?)?;
            let addr = lift(arg(a, 2)?)?;
            unit(socket_mut(s, a)?.start_bind(addr))
        },
        "finish-bind" => |s, a| unit(socket_mut(s, a)?.finish_bind()),
        "start-connect" => |s, a| {
            s.handles.get::<Network>(handle(a, 1)?)?;
            let addr = lift(arg(a, 2)?)?;
            unit(socket_mut(s, a)?.start_connect(addr))
        },
        "finish-connect" => |s, a| match socket_mut(s, a)?.finish_connect() {
            Ok(connection) => {
                let streams = streams(s, handle(a, 0)?, connection)?;
                done(Value::ok(Value::Record(streams.into())))
            }
            Err(code) => done(Value::err(code)),
        },
        "start-listen" => |s, a| unit(socket_mut(s, a)?.start_listen()),
        "finish-listen" => |s, a| unit(socket_mut(s, a)?.finish_listen()),
        "accept" => |s, a| match socket_mut(s, a)?.accept() {
            Ok((tcp, connection)) => {
                let socket = s.handles.push(Resource::TcpSocket(Box::new(tcp)), None)?;
                let [input, output] = streams(s, socket, connection)?;
                done(Value::ok(Value::Record(vec![socket.into(), input, output])))
            }
            Err(code) => done(Value::err(code)),
        },
        "local-address" => |s, a| answer(socket(s, a)?.local_address().map(lower)),
        "remote-address" => |s, a| answer(socket(s, a)?.remote_address().map(lower)),
        "is-listening" => |s, a| done(socket(s, a)?.is_listening()),
        "address-family" => |s, a| done(socket(s, a)?.family()),
        "shutdown" => |s, a| {
            let (how, _) = arg(a, 1)?.as_case()?;
            unit(socket_mut(s, a)?.shutdown(how != 1, how != 0))
        },
        "subscribe" => |s, a| {
            socket(s, a)?;
            subscribe(s, handle(a, 0)?)
        },
        _ => return None,
    })
}

fn option(method: &str) -> Option<Run> {
    Some(match method {
        "set-listen-backlog-size" => |s, a| {
            let size = arg(a, 1)?.u64()?;
            unit(socket_mut(s, a)?.set_backlog(size))
        },
        "keep-alive-enabled" => |s, a| get(socket(s, a)?, options::keep_alive),
        "set-keep-alive-enabled" => |s, a| set(socket(s, a)?, arg(a, 1)?.u64()? != 0, options::set_keep_alive),
        "keep-alive-idle-time" => |s, a| get(socket(s, a)?, options::keep_alive_idle_time),
        "set-keep-alive-idle-time" => |s, a| set(socket(s, a)?, arg(a, 1)?.u64()?, options::set_keep_alive_idle_time),
        "keep-alive-interval" => |s, a| get(socket(s, a)?, options::keep_alive_interval),
        "set-keep-alive-interval" => |s, a| set(socket(s, a)?, arg(a, 1)?.u64()?, options::set_keep_alive_interval),
        "keep-alive-count" => |s, a| get(socket(s, a)?, options::keep_alive_count),
        "set-keep-alive-count" => |s, a| set(socket(s, a)?, arg(a, 1)?.u32()?, options::set_keep_alive_count),
        "hop-limit" => |s, a| {
            let tcp = socket(s, a)?;
            answer(tcp.fd().and_then(|fd| options::hop_limit(fd, tcp.family())))
        },
        "set-hop-limit" => |s, a| {
            let (tcp, hops) = (socket(s, a)?, hops(arg(a, 1)?)?);
            unit(tcp.fd().and_then(|fd| options::set_hop_limit(fd, tcp.family(), hops)))
        },
        "receive-buffer-size" => |s, a| get(socket(s, a)?, options::receive_buffer_size),
        "set-receive-buffer-size" => |s, a| set(socket(s, a)?, arg(a, 1)?.u64()?, options::set_receive_buffer_size),
        "send-buffer-size" => |s, a| get(socket(s, a)?, options::send_buffer_size),
        "set-send-buffer-size" => |s, a| set(socket(s, a)?, arg(a, 1)?.u64()?, options::set_send_buffer_size),
        _ => return None,
    })
}

/// A `u8`, whose high bits the ABI ignores.
pub(super) fn hops(value: &Value) -> Result<u8, Trap> {
    Ok((value.u64()? & 0xff) as u8)
}

fn socket<'s>(state: &'s State, args: &[Value]) -> Result<&'s Tcp, Trap> {
    state.handles.get::<TcpSocket>(handle(args, 0)?)
}

fn socket_mut<'s>(state: &'s mut State, args: &[Value]) -> Result<&'s mut Tcp, Trap> {
    state.handles.get_mut::<TcpSocket>(handle(args, 0)?)
}

type Fd<'a> = rustix::fd::BorrowedFd<'a>;

fn get<T: Into<Value>>(tcp: &Tcp, option: fn(Fd<'_>) -> Result<T, Code>) -> Result<Step, Trap> {
    answer(tcp.fd().and_then(option))
}

fn set<T>(tcp: &Tcp, value: T, option: fn(Fd<'_>, T) -> Result<(), Code>) -> Result<Step, Trap> {
    unit(tcp.fd().and_then(|fd| option(fd, value)))
}

/// Input and output stream, as children of the socket.
fn streams(state: &mut State, socket: u32, connection: Connection) -> Result<[Value; 2], Trap> {
    let input = Resource::InputStream(InputStream(Box::new(connection.reader)));
    let output = Resource::OutputStream(OutputStream::new(connection.writer));
    let input = state.handles.push(input, Some(socket))?;
    let output = state.handles.push(output, Some(socket))?;
    Ok([input.into(), output.into()])
}
