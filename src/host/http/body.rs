//! Bodies: streams in and out, with trailers.

use super::{End, ErrorCode, Exchange, Fields};
use crate::host::handles::{Ready, Resource};
use crate::host::io::{self, InputStream, IoError, OutputStream, Source, StreamError, lock};
use crate::host::value::Value;
use crate::host::{Run, arg, done, handle};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

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
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.buffer = Bytes::new();
            match self.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if self.is_ended() => return Poll::Ready(()),
                Poll::Ready(()) => {}
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.body.is_none() && self.buffer.is_empty()
    }
}

impl Source for BodySource {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_fill(cx)
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        // An unready body gives no bytes; that is no error.
        let _ = self.poll_fill(&mut Context::from_waker(Waker::noop()));
        let bytes = self.buffer.split_to(most.min(self.buffer.len()));
        if !bytes.is_empty() || most == 0 {
            return Ok(bytes);
        }
        match self.error.take() {
            Some(error) => Err(StreamError::Failed(IoError::Http(ErrorCode::ProtocolError.value(), error))),
            None if self.is_ended() => Err(StreamError::Closed),
            None => Ok(bytes),
        }
    }
}

/// `incoming-body`.
#[derive(Debug)]
pub struct IncomingBody {
    source: Arc<Mutex<BodySource>>,
    stream_taken: bool,
}

impl IncomingBody {
    pub(super) fn new(source: BodySource) -> IncomingBody {
        IncomingBody { source: Arc::new(Mutex::new(source)), stream_taken: false }
    }
}

/// `future-trailers`.
#[derive(Debug)]
pub struct FutureTrailers {
    source: Arc<Mutex<BodySource>>,
    taken: bool,
}

impl Ready for FutureTrailers {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(&self.source).poll_end(cx)
    }
}

/// `outgoing-body`. Dropped without `finish`, it aborts the message.
#[derive(Debug)]
pub struct OutgoingBody {
    exchange: Exchange,
    stream_taken: bool,
    /// The error code for a wrong length, which differs between requests and responses.
    wrong_length: ErrorCode,
}

impl OutgoingBody {
    pub(super) fn new(exchange: Exchange, headers: &Fields, wrong_length: ErrorCode) -> OutgoingBody {
        exchange.expect(headers.content_length());
        OutgoingBody { exchange, stream_taken: false, wrong_length }
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
            let stream = InputStream(Box::new(body.source.clone()));
            let stream = s.handles.push(Resource::InputStream(stream), Some(index))?;
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
            io::subscribe(s, index)
        },
        "[method]future-trailers.get" => |s, a| {
            let future: &mut FutureTrailers = s.handles.get_mut(handle(a, 0)?)?;
            if future.taken {
                return done(Value::option(Some(Value::err_unit())));
            }
            let mut source = lock(&future.source);
            if source.poll_end(&mut Context::from_waker(Waker::noop())).is_pending() {
                return done(Value::option(None::<Value>));
            }
            let (error, trailers) = (source.error.take(), source.trailers.take());
            drop(source);
            future.taken = true;
            if error.is_some() {
                let error = Value::err(ErrorCode::ProtocolError.value());
                return done(Value::option(Some(Value::ok(error))));
            }
            let trailers = trailers.map(|map| s.push(Resource::Fields(Fields::incoming(&map)))).transpose()?;
            done(Value::option(Some(Value::ok(Value::ok(Value::option(trailers))))))
        },
        "[resource-drop]future-trailers" => |s, a| io::drop_of::<FutureTrailers>(s, a),
        "[method]outgoing-body.write" => |s, a| {
            let index = handle(a, 0)?;
            let body: &mut OutgoingBody = s.handles.get_mut(index)?;
            if std::mem::replace(&mut body.stream_taken, true) {
                return done(Value::err_unit());
            }
            let stream = OutputStream::new(body.exchange.clone());
            let stream = s.handles.push(Resource::OutputStream(stream), Some(index))?;
            done(Value::ok(stream))
        },
        "[static]outgoing-body.finish" => |s, a| {
            let body: OutgoingBody = s.handles.take(handle(a, 0)?)?;
            let trailers = match arg(a, 1)?.as_option()? {
                Some(index) => Some(s.handles.take::<Fields>(index.u32()?)?.to_map()),
                None => None,
            };
            if let Some(written) = body.exchange.wrong_length() {
                // Dropping the body aborts it.
                return done(Value::err(body.wrong_length.with(Value::option(Some(written)))));
            }
            body.exchange.end(End::Finished(trailers));
            done(Value::ok_unit())
        },
        "[resource-drop]outgoing-body" => |s, a| io::drop_of::<OutgoingBody>(s, a),
        _ => return None,
    })
}
