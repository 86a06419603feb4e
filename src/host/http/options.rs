//! `request-options`: time-outs of outgoing requests.

use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle, io};

/// `request-options`: time-outs in nanoseconds.
#[derive(Debug, Default)]
pub struct RequestOptions {
    pub(super) connect: Option<u64>,
    pub(super) first_byte: Option<u64>,
    pub(super) between_bytes: Option<u64>,
}

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "[constructor]request-options" => |s, _| {
            let options = s.push(Resource::RequestOptions(RequestOptions::default()))?;
            done(options)
        },
        "[method]request-options.connect-timeout" => |s, a| get(s, a, |o| &mut o.connect),
        "[method]request-options.set-connect-timeout" => |s, a| set(s, a, |o| &mut o.connect),
        "[method]request-options.first-byte-timeout" => |s, a| get(s, a, |o| &mut o.first_byte),
        "[method]request-options.set-first-byte-timeout" => |s, a| set(s, a, |o| &mut o.first_byte),
        "[method]request-options.between-bytes-timeout" => |s, a| get(s, a, |o| &mut o.between_bytes),
        "[method]request-options.set-between-bytes-timeout" => |s, a| set(s, a, |o| &mut o.between_bytes),
        "[resource-drop]request-options" => |s, a| io::drop_of::<RequestOptions>(s, a),
        _ => return None,
    })
}

type TimeOut = fn(&mut RequestOptions) -> &mut Option<u64>;

fn get(state: &mut State, args: &[Value], time_out: TimeOut) -> Result<Step, Trap> {
    let value = *time_out(state.handles.get_mut(handle(args, 0)?)?);
    done(Value::option(value))
}

fn set(state: &mut State, args: &[Value], time_out: TimeOut) -> Result<Step, Trap> {
    let value = arg(args, 1)?.as_option()?.map(Value::u64).transpose()?;
    *time_out(state.handles.get_mut(handle(args, 0)?)?) = value;
    done(Value::ok_unit())
}
