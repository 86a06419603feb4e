//! What a guest may import and is never granted: sockets.
//!
//! No socket can be created, so none of these resources ever exists; a function that takes
//! one can only be called with a handle that is not there, which traps as it would anywhere.

use super::handles::{Network, Resource};
use super::io::IoError;
use super::value::Value;
use super::{Run, Trap, done, handle, io};

/// `wasi:sockets/network.error-code.access-denied`.
const ACCESS_DENIED: u32 = 1;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:sockets/instance-network", "instance-network") => |s, _| {
            let network = s.push(Resource::Network(Network))?;
            done(network)
        },
        ("wasi:sockets/network", "[resource-drop]network") => |s, a| io::drop_of::<Network>(s, a),
        ("wasi:sockets/network", "network-error-code") => |s, a| {
            s.handles.get::<IoError>(handle(a, 0)?)?;
            done(Value::option(None::<Value>))
        },
        ("wasi:sockets/tcp-create-socket", "create-tcp-socket")
        | ("wasi:sockets/udp-create-socket", "create-udp-socket") => {
            |_, _| done(Value::err(Value::case(ACCESS_DENIED)))
        }
        ("wasi:sockets/ip-name-lookup", "resolve-addresses") => |s, a| {
            s.handles.get::<Network>(handle(a, 0)?)?;
            done(Value::err(Value::case(ACCESS_DENIED)))
        },
        (interface, _) if interface.starts_with("wasi:sockets/") => |_, a| {
            let index = a.first().and_then(|v| v.u32().ok()).unwrap_or_default();
            Err(Trap::new(format!("handle {index} does not exist")))
        },
        _ => return None,
    })
}
