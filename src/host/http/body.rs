//! Bodies: streams in and out, with trailers.

use super::{End, ErrorCode, Exchange, Fields};
use crate::host::handles::Resource;
use crate::host::io::{self, InputStream, OutputStream, Pollable, Sink};
use crate::host::value::Value;
use crate::host::{Run, Trap, arg, done, handle};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body as the transport hands it over.
pub type RequestBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// A body that arrives while the guest runs.
pub struct BodySource {
    body: Option<RequestBody>,
    buffer: Bytes,
    trailers: Option<HeaderMap>,
    error: Option<String>,
}

impl std::fmt::Debug for BodySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodySource").field("open", &self.body.is_some()).finish_non_exhaustive()
    }
}

impl BodySource {
    /// A body; none is an empty one.
    pub fn new(body: Option<RequestBody>) -> BodySource {
        BodySource { body, buffer: Bytes::new(), trailers: None, error: None }
    }

    /// Ready when there are bytes, an error, or the end.
    pub(in crate::host) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let (Some(body), true) = (&mut self.body, self.buffer.is_empty()) {
            match body.as_mut().poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.body = None,
                Poll::Ready(Some(Err(e))) => {
                    self.error = Some(e.to_string());
                    self.body = None;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.buffer = data,
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
        Poll::Ready(())
    }

    /// Ready at the end; bytes that nobody reads any more are thrown away.
    pub(in crate::host) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.buffer = Bytes::new();
            match self.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if self.is_ended() => return Poll::Ready(()),
                Poll::Ready(()) => {}
            }
        }
    }

    pub(in crate::host) fn take(&mut self, most: u64) -> Bytes {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.split_to(most)
    }

    pub(in crate::host) fn take_error(&mut self) -> Option<String> {
        if self.buffer.is_empty() { self.error.take() } else { None }
    }

    pub(in crate::host) fn is_ended(&self) -> bool {
        self.body.is_none() && self.buffer.is_empty()
    }
}

/// `incoming-body`.
#[derive(Debug)]
pub struct IncomingBody {
    pub(in crate::host) source: BodySource,
    pub(super) stream_taken: bool,
}

/// `future-trailers`.
#[derive(Debug)]
pub struct FutureTrailers {
    pub(in crate::host) source: BodySource,
    taken: bool,
}

/// `outgoing-body`. Dropped without `finish`, it aborts the message.
#[derive(Debug)]
pub struct OutgoingBody {
    pub(in crate::host) exchange: Exchange,
    pub(super) expected: Option<u64>,
    pub(super) written: u64,
    pub(super) stream_taken: bool,
    /// The error code for a wrong length, which differs between requests and responses.
    pub(super) wrong_length: ErrorCode,
}

impl OutgoingBody {
    pub(super) fn new(exchange: Exchange, headers: &Fields, wrong_length: ErrorCode) -> OutgoingBody {
        let expected = headers.content_length();
        OutgoingBody { exchange, expected, written: 0, stream_taken: false, wrong_length }
    }

    /// Takes bytes; false if the stream is closed, also by a write beyond the content length.
    pub(in crate::host) fn write(&mut self, bytes: Bytes) -> Result<bool, Trap> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.expected.is_some_and(|expected| self.written > expected) {
            self.exchange.abort();
            return Ok(false);
        }
        Ok(self.exchange.write(bytes))
    }
}

impl Drop for OutgoingBody {
    fn drop(&mut self) {
        self.exchange.abort();
    }
}

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "[method]incoming-body.stream" => |s, a| {
            let index = handle(a, 0)?;
            let body: &mut IncomingBody = s.handles.get_mut(index)?;
            if std::mem::replace(&mut body.stream_taken, true) {
                return done(Value::err_unit());
            }
            let stream = s.handles.push(Resource::InputStream(InputStream::Body(index)), Some(index))?;
            done(Value::ok(stream))
        },
        "[static]incoming-body.finish" => |s, a| {
            let body: IncomingBody = s.handles.take(handle(a, 0)?)?;
            let future = FutureTrailers { source: body.source, taken: false };
            let future = s.push(Resource::FutureTrailers(future))?;
            done(future)
        },
        "[resource-drop]incoming-body" => |s, a| io::drop_of::<IncomingBody>(s, a),
        "[method]future-trailers.subscribe" => |s, a| {
            let index = handle(a, 0)?;
            s.handles.get::<FutureTrailers>(index)?;
            io::subscribe(s, Pollable::Trailers(index), index)
        },
        "[method]future-trailers.get" => |s, a| {
            let future: &mut FutureTrailers = s.handles.get_mut(handle(a, 0)?)?;
            if future.taken {
                return done(Value::option(Some(Value::err_unit())));
            }
            if future.source.poll_end(&mut Context::from_waker(std::task::Waker::noop())).is_pending() {
                return done(Value::option(None::<Value>));
            }
            future.taken = true;
            if future.source.take_error().is_some() {
                let error = Value::err(ErrorCode::ProtocolError.value());
                return done(Value::option(Some(Value::ok(error))));
            }
            let trailers = future.source.trailers.take().map(|map| Fields::incoming(&map));
            let trailers = trailers.map(|fields| s.push(Resource::Fields(fields))).transpose()?;
            done(Value::option(Some(Value::ok(Value::ok(Value::option(trailers))))))
        },
        "[resource-drop]future-trailers" => |s, a| io::drop_of::<FutureTrailers>(s, a),
        "[method]outgoing-body.write" => |s, a| {
            let index = handle(a, 0)?;
            let body: &mut OutgoingBody = s.handles.get_mut(index)?;
            if std::mem::replace(&mut body.stream_taken, true) {
                return done(Value::err_unit());
            }
            let stream = OutputStream { sink: Sink::Body(index), permit: 0 };
            let stream = s.handles.push(Resource::OutputStream(stream), Some(index))?;
            done(Value::ok(stream))
        },
        "[static]outgoing-body.finish" => |s, a| {
            let body: OutgoingBody = s.handles.take(handle(a, 0)?)?;
            let trailers = match arg(a, 1)?.as_option()? {
                Some(index) => Some(s.handles.take::<Fields>(index.u32()?)?.to_map()),
                None => None,
            };
            if body.expected.is_some_and(|expected| expected != body.written) {
                // Dropping the body aborts it.
                return done(Value::err(body.wrong_length.with(Value::option(Some(body.written)))));
            }
            body.exchange.end(End::Finished(trailers));
            done(Value::ok_unit())
        },
        "[resource-drop]outgoing-body" => |s, a| io::drop_of::<OutgoingBody>(s, a),
        _ => return None,
    })
}
