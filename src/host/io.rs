//! `wasi:io`: errors, polling, streams.

use super::handles::{IoError, Resource};
use super::http::{FutureTrailers, IncomingBody, OutgoingBody};
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done, handle, nothing};
use bytes::Bytes;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, sleep_until};

/// What a pollable waits for. Handles name resources whose child the pollable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pollable {
    /// Always ready.
    Ready,
    /// Ready from a point in time on.
    At(Instant),
    /// An input stream has bytes, has ended or has failed.
    Input(u32),
    /// An output stream takes bytes, or is closed.
    Output(u32),
    /// Trailers have arrived, or never will.
    Trailers(u32),
}

/// Pollables of which at least one must become ready.
pub type Wait = Vec<Pollable>;

/// `wasi:io/streams.input-stream`.
#[derive(Debug)]
pub(super) enum InputStream {
    /// At its end from the start: standard input of a server's guest.
    Empty,
    /// The body behind a handle.
    Body(u32),
}

/// `wasi:io/streams.output-stream`.
#[derive(Debug)]
pub(super) struct OutputStream {
    /// Where bytes go.
    pub(super) sink: Sink,
    /// What the last `check-write` allowed, less what was written since.
    pub(super) permit: u64,
}

/// Where an output stream ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sink {
    /// The log, as standard output.
    Stdout,
    /// The log, as standard error.
    Stderr,
    /// The body behind a handle.
    Body(u32),
}

/// Reads give at most this many bytes at once, whatever the guest asks for.
const MAX_READ: u64 = 64 * 1024;
/// The most that a blocking write may hold, by the words of the WIT.
const MAX_BLOCKING_WRITE: usize = 4096;
/// What the log takes between two `check-write`s.
const LOG_PERMIT: u64 = 64 * 1024;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:io/error", "[method]error.to-debug-string") => |s, a| {
            let IoError(text) = s.handles.get(handle(a, 0)?)?;
            done(text.as_str())
        },
        ("wasi:io/error", "[resource-drop]error") => |s, a| drop_of::<IoError>(s, a),
        ("wasi:io/poll", "[method]pollable.ready") => |s, a| {
            let pollable = *s.handles.get(handle(a, 0)?)?;
            let ready = s.poll_ready(pollable, &mut Context::from_waker(Waker::noop())).is_ready();
            done(ready)
        },
        ("wasi:io/poll", "[method]pollable.block") => |s, a| {
            let pollable = *s.handles.get(handle(a, 0)?)?;
            Ok(Step::Wait(vec![pollable], |_, _| nothing()))
        },
        ("wasi:io/poll", "poll") => poll,
        ("wasi:io/poll", "[resource-drop]pollable") => |s, a| drop_of::<Pollable>(s, a),
        ("wasi:io/streams", "[method]input-stream.read") => read,
        ("wasi:io/streams", "[method]input-stream.blocking-read") => |s, a| wait_input(s, a, read),
        ("wasi:io/streams", "[method]input-stream.skip") => skip,
        ("wasi:io/streams", "[method]input-stream.blocking-skip") => |s, a| wait_input(s, a, skip),
        ("wasi:io/streams", "[method]input-stream.subscribe") => |s, a| {
            let stream = handle(a, 0)?;
            s.handles.get::<InputStream>(stream)?;
            subscribe(s, Pollable::Input(stream), stream)
        },
        ("wasi:io/streams", "[resource-drop]input-stream") => |s, a| drop_of::<InputStream>(s, a),
        ("wasi:io/streams", "[method]output-stream.check-write") => check_write,
        ("wasi:io/streams", "[method]output-stream.write") => {
            |s, a| write(s, handle(a, 0)?, arg(a, 1)?.bytes()?.clone())
        }
        ("wasi:io/streams", "[method]output-stream.write-zeroes") => |s, a| {
            let permit = s.handles.get::<OutputStream>(handle(a, 0)?)?.permit;
            let length = arg(a, 1)?.u64()?;
            if length > permit {
                return Err(beyond_permit());
            }
            write(s, handle(a, 0)?, zeroes(length)?)
        },
        ("wasi:io/streams", "[method]output-stream.flush") => |s, a| {
            s.output_space(handle(a, 0)?)?;
            done(Value::ok_unit())
        },
        ("wasi:io/streams", "[method]output-stream.blocking-flush") => |s, a| {
            let stream = handle(a, 0)?;
            s.handles.get::<OutputStream>(stream)?;
            Ok(Step::Wait(vec![Pollable::Output(stream)], |_, _| done(Value::ok_unit())))
        },
        ("wasi:io/streams", "[method]output-stream.blocking-write-and-flush") => {
            |s, a| blocking_write(s, a, arg(a, 1)?.bytes()?.len())
        }
        ("wasi:io/streams", "[method]output-stream.blocking-write-zeroes-and-flush") => {
            |s, a| blocking_write(s, a, usize::try_from(arg(a, 1)?.u64()?).unwrap_or(usize::MAX))
        }
        ("wasi:io/streams", "[method]output-stream.splice") => splice,
        ("wasi:io/streams", "[method]output-stream.blocking-splice") => |s, a| {
            let output = handle(a, 0)?;
            s.handles.get::<OutputStream>(output)?;
            Ok(Step::Wait(vec![Pollable::Output(output)], |s, a| {
                let input = handle(a, 1)?;
                s.handles.get::<InputStream>(input)?;
                Ok(Step::Wait(vec![Pollable::Input(input)], splice))
            }))
        },
        ("wasi:io/streams", "[method]output-stream.subscribe") => |s, a| {
            let stream = handle(a, 0)?;
            s.handles.get::<OutputStream>(stream)?;
            subscribe(s, Pollable::Output(stream), stream)
        },
        ("wasi:io/streams", "[resource-drop]output-stream") => |s, a| drop_of::<OutputStream>(s, a),
        _ => return None,
    })
}

/// Functions of this package that may wait.
pub(super) fn blocks(name: &str) -> bool {
    name == "poll" || name.ends_with(".block") || name.contains(".blocking-")
}

pub(super) fn drop_of<T: super::handles::Held>(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    state.handles.take::<T>(handle(args, 0)?)?;
    nothing()
}

/// Makes a pollable, as a child of what it watches.
pub(super) fn subscribe(state: &mut State, pollable: Pollable, parent: u32) -> Result<Step, Trap> {
    let index = state.handles.push(Resource::Pollable(pollable), Some(parent))?;
    done(index)
}

impl State {
    /// Waits until one of `wait` is ready.
    pub async fn wait(&mut self, wait: &Wait) {
        let timer = wait.iter().filter_map(|p| if let Pollable::At(at) = p { Some(*at) } else { None }).min();
        let mut timer = timer.map(|at| Box::pin(sleep_until(at)));
        poll_fn(|cx| {
            if wait.iter().any(|p| self.poll_ready(*p, cx).is_ready()) {
                return Poll::Ready(());
            }
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether a pollable is ready; if not, `cx` is woken when that changes. Timers are left to [`State::wait`]. What a
    /// pollable watches cannot be gone, since it is the parent; if it were, waiting for it would be over.
    fn poll_ready(&mut self, pollable: Pollable, cx: &mut Context<'_>) -> Poll<()> {
        match pollable {
            Pollable::Ready => Poll::Ready(()),
            Pollable::At(at) if Instant::now() >= at => Poll::Ready(()),
            Pollable::At(_) => Poll::Pending,
            Pollable::Input(stream) => match self.handles.get(stream) {
                Ok(&InputStream::Body(body)) => match self.handles.get_mut::<IncomingBody>(body) {
                    Ok(body) => body.source.poll_fill(cx),
                    Err(_) => Poll::Ready(()),
                },
                _ => Poll::Ready(()),
            },
            Pollable::Output(stream) => match self.handles.get::<OutputStream>(stream).map(|s| s.sink) {
                Ok(Sink::Body(body)) => match self.handles.get::<OutgoingBody>(body) {
                    Ok(body) => body.exchange.poll_space(cx),
                    Err(_) => Poll::Ready(()),
                },
                _ => Poll::Ready(()),
            },
            Pollable::Trailers(future) => match self.handles.get_mut::<FutureTrailers>(future) {
                Ok(future) => future.source.poll_end(cx),
                Err(_) => Poll::Ready(()),
            },
        }
    }

    /// Bytes that an output stream takes now; none if it is closed.
    fn output_space(&mut self, stream: u32) -> Result<Option<u64>, Trap> {
        match self.handles.get::<OutputStream>(stream)?.sink {
            Sink::Stdout | Sink::Stderr => Ok(Some(LOG_PERMIT)),
            Sink::Body(body) => Ok(self.handles.get::<OutgoingBody>(body)?.exchange.space()),
        }
    }
}

fn poll(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    let wait = pollables(state, args)?;
    if wait.is_empty() {
        return Err(Trap::new("`poll` of an empty list"));
    }
    Ok(Step::Wait(wait, |s, a| {
        let cx = &mut Context::from_waker(Waker::noop());
        let wait = pollables(s, a)?;
        let ready = (0u32..).zip(wait).filter(|(_, p)| s.poll_ready(*p, cx).is_ready()).map(|(i, _)| Value::from(i));
        done(Value::List(ready.collect()))
    }))
}

fn pollables(state: &State, args: &[Value]) -> Result<Wait, Trap> {
    arg(args, 0)?.items()?.iter().map(|item| state.handles.get(item.u32()?).copied()).collect()
}

fn wait_input(state: &mut State, args: &[Value], then: Run) -> Result<Step, Trap> {
    let stream = handle(args, 0)?;
    state.handles.get::<InputStream>(stream)?;
    if arg(args, 1)?.u64()? == 0 {
        return then(state, args);
    }
    Ok(Step::Wait(vec![Pollable::Input(stream)], then))
}

/// What a read gives: bytes, which may be none; or the stream's end; or an error.
enum Input {
    Bytes(Bytes),
    End,
    Failed(String),
}

fn take_input(state: &mut State, stream: u32, length: u64) -> Result<Input, Trap> {
    let InputStream::Body(body) = *state.handles.get(stream)? else { return Ok(Input::End) };
    let source = &mut state.handles.get_mut::<IncomingBody>(body)?.source;
    // An unready body gives no bytes; that is no error.
    let _ = source.poll_fill(&mut Context::from_waker(Waker::noop()));
    if let Some(error) = source.take_error() {
        return Ok(Input::Failed(error));
    }
    let bytes = source.take(length.min(MAX_READ));
    if bytes.is_empty() && source.is_ended() { Ok(Input::End) } else { Ok(Input::Bytes(bytes)) }
}

/// `stream-error`.
fn failed(state: &mut State, error: String) -> Result<Value, Trap> {
    let error = state.push(Resource::IoError(IoError(error)))?;
    Ok(Value::err(Value::Case(0, Some(Box::new(error)))))
}

fn closed() -> Value {
    Value::err(Value::case(1))
}

fn read(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    match take_input(state, handle(args, 0)?, arg(args, 1)?.u64()?)? {
        Input::Bytes(bytes) => done(Value::ok(bytes)),
        Input::End => done(closed()),
        Input::Failed(error) => done(failed(state, error)?),
    }
}

fn skip(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    match take_input(state, handle(args, 0)?, arg(args, 1)?.u64()?)? {
        Input::Bytes(bytes) => done(Value::ok(bytes.len() as u64)),
        Input::End => done(closed()),
        Input::Failed(error) => done(failed(state, error)?),
    }
}

fn check_write(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    let stream = handle(args, 0)?;
    let Some(space) = state.output_space(stream)? else { return done(closed()) };
    state.handles.get_mut::<OutputStream>(stream)?.permit = space;
    done(Value::ok(space))
}

/// Writes what the last `check-write` allowed; more is the guest's mistake.
fn write(state: &mut State, stream: u32, bytes: Bytes) -> Result<Step, Trap> {
    let output = state.handles.get_mut::<OutputStream>(stream)?;
    let length = bytes.len() as u64;
    output.permit = output.permit.checked_sub(length).ok_or_else(beyond_permit)?;
    let written = put(state, stream, bytes)?;
    done(if written { Value::ok_unit() } else { closed() })
}

/// Hands bytes to the sink; false if it is closed.
fn put(state: &mut State, stream: u32, bytes: Bytes) -> Result<bool, Trap> {
    match state.handles.get::<OutputStream>(stream)?.sink {
        Sink::Stdout => state.log.write(false, &bytes),
        Sink::Stderr => state.log.write(true, &bytes),
        Sink::Body(body) => return state.handles.get_mut::<OutgoingBody>(body)?.write(bytes),
    }
    Ok(true)
}

fn blocking_write(state: &mut State, args: &[Value], length: usize) -> Result<Step, Trap> {
    if length > MAX_BLOCKING_WRITE {
        return Err(Trap::new(format!("a blocking write of {length} bytes; at most {MAX_BLOCKING_WRITE} are allowed")));
    }
    let stream = handle(args, 0)?;
    state.handles.get::<OutputStream>(stream)?;
    Ok(Step::Wait(vec![Pollable::Output(stream)], |s, a| {
        let stream = handle(a, 0)?;
        let bytes = match arg(a, 1)? {
            Value::Bytes(bytes) => bytes.clone(),
            length => zeroes(length.u64()?)?,
        };
        if s.output_space(stream)?.is_none() || !put(s, stream, bytes)? {
            return done(closed());
        }
        // Flushed as soon as there is room again: the transport takes chunks as they come.
        Ok(Step::Wait(vec![Pollable::Output(stream)], |_, _| done(Value::ok_unit())))
    }))
}

fn splice(state: &mut State, args: &[Value]) -> Result<Step, Trap> {
    let (output, input, length) = (handle(args, 0)?, handle(args, 1)?, arg(args, 2)?.u64()?);
    let Some(space) = state.output_space(output)? else { return done(closed()) };
    match take_input(state, input, length.min(space))? {
        Input::Bytes(bytes) => {
            let length = bytes.len() as u64;
            let written = put(state, output, bytes)?;
            done(if written { Value::ok(length) } else { closed() })
        }
        Input::End => done(closed()),
        Input::Failed(error) => done(failed(state, error)?),
    }
}

fn zeroes(length: u64) -> Result<Bytes, Trap> {
    let length = usize::try_from(length).map_err(|_| beyond_permit())?;
    Ok(Bytes::from(vec![0; length]))
}

fn beyond_permit() -> Trap {
    Trap::new("a write beyond what the last `check-write` allowed")
}
