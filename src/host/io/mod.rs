//! `wasi:io`: errors, polling, streams.

mod poll;
mod streams;

pub(in crate::host) use poll::subscribe;
pub use poll::{Pollable, Wait};
pub(in crate::host) use streams::lock;
pub use streams::{Empty, InputStream, IoError, OutputStream, SharedSink, SharedSource, Sink, Source, StreamError};

use super::handles::Resource;
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done, handle, nothing};
use bytes::Bytes;

/// Reads give at most this many bytes at once, whatever the guest asks for.
const MAX_READ: u64 = 64 * 1024;
/// The most that a blocking write may hold, by the words of the WIT.
const MAX_BLOCKING_WRITE: usize = 4096;
/// The most that `check-write` allows, whatever the sink takes.
const MAX_PERMIT: u64 = 1 << 20;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    match interface {
        "wasi:io/error" => error(name),
        "wasi:io/poll" => poll::function(name),
        "wasi:io/streams" => input(name).or_else(|| output(name)),
        _ => None,
    }
}

fn error(name: &str) -> Option<Run> {
    Some(match name {
        "[method]error.to-debug-string" => |s, a| done(s.handles.get::<IoError>(handle(a, 0)?)?.to_string()),
        "[resource-drop]error" => |s, a| drop_of::<IoError>(s, a),
        _ => return None,
    })
}

fn input(name: &str) -> Option<Run> {
    Some(match name {
        "[method]input-stream.read" => |s, a| read(s, handle(a, 0)?, arg(a, 1)?.u64()?),
        "[method]input-stream.blocking-read" => |s, a| wait_input(s, handle(a, 0)?, arg(a, 1)?.u64()?, read),
        "[method]input-stream.skip" => |s, a| skip(s, handle(a, 0)?, arg(a, 1)?.u64()?),
        "[method]input-stream.blocking-skip" => |s, a| wait_input(s, handle(a, 0)?, arg(a, 1)?.u64()?, skip),
        "[method]input-stream.subscribe" => |s, a| {
            s.handles.get::<InputStream>(handle(a, 0)?)?;
            subscribe(s, handle(a, 0)?)
        },
        "[resource-drop]input-stream" => |s, a| drop_of::<InputStream>(s, a),
        _ => return None,
    })
}

fn output(name: &str) -> Option<Run> {
    Some(match name {
        "[method]output-stream.check-write" => |s, a| {
            let stream: &mut OutputStream = s.handles.get_mut(handle(a, 0)?)?;
            let space = stream.sink.space().map(|space| space.min(MAX_PERMIT));
            stream.permit = *space.as_ref().unwrap_or(&0);
            answer(s, space)
        },
        "[method]output-stream.write" => |s, a| write(s, handle(a, 0)?, arg(a, 1)?.bytes()?.clone()),
        "[method]output-stream.write-zeroes" => |s, a| {
            let permit = s.handles.get::<OutputStream>(handle(a, 0)?)?.permit;
            let length = arg(a, 1)?.u64()?;
            if length > permit {
                return Err(beyond_permit());
            }
            write(s, handle(a, 0)?, zeroes(length)?)
        },
        "[method]output-stream.flush" => |s, a| {
            let flushed = s.handles.get_mut::<OutputStream>(handle(a, 0)?)?.sink.flush();
            unit(s, flushed)
        },
        "[method]output-stream.blocking-flush" => |s, a| {
            let stream = handle(a, 0)?;
            match s.handles.get_mut::<OutputStream>(stream)?.sink.flush() {
                Ok(()) => Ok(settled(stream)),
                Err(error) => unit(s, Err(error)),
            }
        },
        "[method]output-stream.blocking-write-and-flush" => |s, a| {
            let bytes = arg(a, 1)?.bytes()?;
            within_blocking(bytes.len())?;
            blocking_write(s, handle(a, 0)?, bytes.clone())
        },
        "[method]output-stream.blocking-write-zeroes-and-flush" => |s, a| {
            let length = arg(a, 1)?.u64()?;
            within_blocking(usize::try_from(length).unwrap_or(usize::MAX))?;
            blocking_write(s, handle(a, 0)?, zeroes(length)?)
        },
        "[method]output-stream.splice" => |s, a| splice(s, handle(a, 0)?, handle(a, 1)?, arg(a, 2)?.u64()?),
        "[method]output-stream.blocking-splice" => |s, a| {
            let (output, input, length) = (handle(a, 0)?, handle(a, 1)?, arg(a, 2)?.u64()?);
            s.handles.get::<OutputStream>(output)?;
            s.handles.get::<InputStream>(input)?;
            Ok(Step::wait(vec![Pollable::Resource(output)], move |_| {
                Ok(Step::wait(vec![Pollable::Resource(input)], move |s| splice(s, output, input, length)))
            }))
        },
        "[method]output-stream.subscribe" => |s, a| {
            s.handles.get::<OutputStream>(handle(a, 0)?)?;
            subscribe(s, handle(a, 0)?)
        },
        "[resource-drop]output-stream" => |s, a| drop_of::<OutputStream>(s, a),
        _ => return None,
    })
}

/// Functions of this package that may wait.
pub(super) fn blocks(name: &str) -> bool {
    name == "poll" || name.ends_with(".block") || name.contains(".blocking-")
}

pub(super) fn drop_of<T: super::handles::Held>(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    state.handles.drop::<T>(handle(args, 0)?)?;
    nothing()
}

/// `stream-error`, as the error of a result.
pub(super) fn stream_error(state: &mut State, error: StreamError) -> Result<Value, Trap> {
    Ok(Value::err(match error {
        StreamError::Failed(error) => {
            let error = state.push(Resource::IoError(error))?;
            Value::Case(0, Some(Box::new(error)))
        }
        StreamError::Closed => Value::case(1),
    }))
}

fn answer(state: &mut State, result: Result<impl Into<Value>, StreamError>) -> Result<Step, Trap> {
    match result {
        Ok(value) => done(Value::ok(value)),
        Err(error) => done(stream_error(state, error)?),
    }
}

fn unit(state: &mut State, result: Result<(), StreamError>) -> Result<Step, Trap> {
    match result {
        Ok(()) => done(Value::ok_unit()),
        Err(error) => done(stream_error(state, error)?),
    }
}

fn wait_input(
    state: &mut State,
    stream: u32,
    length: u64,
    then: fn(&mut State, u32, u64) -> Result<Step, Trap>,
) -> Result<Step, Trap> {
    let source = &mut state.handles.get_mut::<InputStream>(stream)?.0;
    if length == 0 {
        return then(state, stream, length);
    }
    source.want(at_once(length));
    Ok(Step::wait(vec![Pollable::Resource(stream)], move |s| then(s, stream, length)))
}

fn take(state: &mut State, stream: u32, length: u64) -> Result<Result<Bytes, StreamError>, Trap> {
    Ok(state.handles.get_mut::<InputStream>(stream)?.0.read(at_once(length)))
}

fn at_once(length: u64) -> usize {
    usize::try_from(length.min(MAX_READ)).unwrap_or_default()
}

fn read(state: &mut State, stream: u32, length: u64) -> Result<Step, Trap> {
    let bytes = take(state, stream, length)?;
    answer(state, bytes)
}

fn skip(state: &mut State, stream: u32, length: u64) -> Result<Step, Trap> {
    let bytes = take(state, stream, length)?;
    answer(state, bytes.map(|bytes| bytes.len() as u64))
}

/// Writes what the last `check-write` allowed; more is the guest's mistake.
fn write(state: &mut State, stream: u32, bytes: Bytes) -> Result<Step, Trap> {
    let output: &mut OutputStream = state.handles.get_mut(stream)?;
    output.permit = output.permit.checked_sub(bytes.len() as u64).ok_or_else(beyond_permit)?;
    let written = output.sink.write(bytes);
    unit(state, written)
}

fn within_blocking(length: usize) -> Result<(), Trap> {
    if length <= MAX_BLOCKING_WRITE {
        return Ok(());
    }
    Err(Trap::new(format!("a blocking write of {length} bytes; at most {MAX_BLOCKING_WRITE} are allowed")))
}

/// Waits for room, writes, flushes, and waits until that is done.
fn blocking_write(state: &mut State, stream: u32, bytes: Bytes) -> Result<Step, Trap> {
    state.handles.get::<OutputStream>(stream)?;
    Ok(Step::wait(vec![Pollable::Resource(stream)], move |s| {
        let sink = &mut s.handles.get_mut::<OutputStream>(stream)?.sink;
        let written = sink.space().and_then(|_| sink.write(bytes)).and_then(|()| sink.flush());
        match written {
            Ok(()) => Ok(settled(stream)),
            Err(error) => unit(s, Err(error)),
        }
    }))
}

/// Waits until the sink has dealt with what it was given, and says how that went.
fn settled(stream: u32) -> Step {
    Step::wait(vec![Pollable::Resource(stream)], move |s| {
        match s.handles.get_mut::<OutputStream>(stream)?.sink.space() {
            Err(StreamError::Failed(error)) => unit(s, Err(StreamError::Failed(error))),
            // What was taken was handed on, also if that was the last.
            Ok(_) | Err(StreamError::Closed) => done(Value::ok_unit()),
        }
    })
}

fn splice(state: &mut State, output: u32, input: u32, length: u64) -> Result<Step, Trap> {
    let space = match state.handles.get_mut::<OutputStream>(output)?.sink.space() {
        Ok(space) => space,
        Err(error) => return unit(state, Err(error)),
    };
    let spliced = match take(state, input, length.min(space))? {
        Ok(bytes) => {
            let length = bytes.len() as u64;
            state.handles.get_mut::<OutputStream>(output)?.sink.write(bytes).map(|()| length)
        }
        Err(error) => Err(error),
    };
    answer(state, spliced)
}

fn zeroes(length: u64) -> Result<Bytes, Trap> {
    if length > MAX_PERMIT {
        return Err(beyond_permit());
    }
    Ok(Bytes::from(vec![0; usize::try_from(length).unwrap_or_default()]))
}

fn beyond_permit() -> Trap {
    Trap::new("a write beyond what the last `check-write` allowed")
}
