//! What a guest may import and is never granted: files, terminals, answers from other servers.
//!
//! No directory is preopened and no request leaves, so none of these resources ever exists; a function that takes
//! one can only be called with a handle that is not there, which traps as it would anywhere.

use super::io::IoError;
use super::value::Value;
use super::{Run, Trap, done, handle};

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:filesystem/preopens", "get-directories") => |_, _| done(Value::List(Vec::new())),
        ("wasi:filesystem/types", "filesystem-error-code") => |s, a| {
            s.handles.get::<IoError>(handle(a, 0)?)?;
            done(Value::option(None::<Value>))
        },
        (interface, name)
            if interface.starts_with("wasi:filesystem/")
                || interface.starts_with("wasi:cli/terminal-")
                || name.contains("incoming-response") =>
        {
            |_, a| {
                let index = a.first().and_then(|v| v.u32().ok()).unwrap_or_default();
                Err(Trap::new(format!("handle {index} does not exist")))
            }
        }
        _ => return None,
    })
}
