//! Bodies: streams in and out, with trailers.

use super::{End, ErrorCode, Exchange, Failure, Fields, push_headers};
use crate::host::handles::{Ready, Resource};
use crate::host::io::{self, InputStream, IoError, OutputStream, Source, StreamError, lock};
use crate::host::value::Value;
use crate::host::{Run, arg, done, handle};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body as the transport hands it over.
pub type RequestBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// Whether a body was longer than its limit, for the server to see.
#[derive(Debug, Clone, Default)]
pub struct Exceeded(Arc<AtomicBool>);

impl Exceeded {
    /// Whether it was, as far as it has been read.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that arrives while the guest runs.
pub struct BodySource {
    body: Option<RequestBody>,
    buffer: Bytes,
    trailers: Option<HeaderMap>,
    /// Why it broke off. It stays, so that no body that broke off has trailers.
    failure: Option<Failure>,
    /// The stream has said so.
    told: bool,
    limit: Option<u64>,
    arrived: u64,
    exceeded: Exceeded,
}

impl std::fmt::Debug for BodySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodySource").field("open", &self.body.is_some()).finish_non_exhaustive()
    }
}

impl BodySource {
    /// A body; none is an empty one.
    pub fn new(body: Option<RequestBody>) -> BodySource {
        BodySource {
            body,
            buffer: Bytes::new(),
            trailers: None,
            failure: None,
            told: false,
            limit: None,
            arrived: 0,
            exceeded: Exceeded::default(),
        }
    }

    /// Lets at most so many bytes in. One more, or a longer length announced, is the error `HTTP-request-body-size` for
    /// the guest, and sets a flag for the server.
    pub fn limited(mut self, limit: u64) -> BodySource {
        self.limit = Some(limit);
        let announced = self.body.as_ref().map_or(0, |body| body.size_hint().lower());
        self.check_limit(announced);
        self
    }

    /// Set when the body turns out to be longer than its limit.
    pub fn exceeded(&self) -> Exceeded {
        self.exceeded.clone()
    }

    fn check_limit(&mut self, length: u64) {
        let Some(limit) = self.limit.filter(|limit| length > *limit) else { return };
        let why = format!("the body is longer than the {limit} bytes that are allowed");
        self.exceeded.0.store(true, Ordering::Relaxed);
        self.fail(Failure::with(ErrorCode::RequestBodySize, Value::option(Some(limit)), why));
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.body = None;
        self.buffer = Bytes::new();
    }

    /// Ready when there are bytes, an error, or the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let (Some(body), true) = (&mut self.body, self.buffer.is_empty()) {
            match body.as_mut().poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.body = None,
                Poll::Ready(Some(Err(e))) => {
                    let failure = e.downcast_ref::<Failure>().cloned();
                    self.fail(failure.unwrap_or_else(|| Failure::new(ErrorCode::ProtocolError, e)));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.arrived = self.arrived.saturating_add(data.len() as u64);
                        self.buffer = data;
                        self.check_limit(self.arrived);
                    }
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
        match &self.failure {
            Some(failure) if !std::mem::replace(&mut self.told, true) => {
                Err(StreamError::Failed(IoError::Http(failure.value(), failure.to_string())))
            }
            Some(_) => Err(StreamError::Closed),
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
}

impl OutgoingBody {
    pub(super) fn new(exchange: Exchange, headers: &Fields, of_request: bool) -> OutgoingBody {
        exchange.expect(headers.content_length(), of_request);
        OutgoingBody { exchange, stream_taken: false }
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
            let index = handle(a, 0)?;
            let future: &mut FutureTrailers = s.handles.get_mut(index)?;
            if future.taken {
                return done(Value::option(Some(Value::err_unit())));
            }
            let mut source = lock(&future.source);
            if source.poll_end(&mut Context::from_waker(Waker::noop())).is_pending() {
                return done(Value::option(None::<Value>));
            }
            let (failure, trailers) = (source.failure.clone(), source.trailers.take());
            drop(source);
            future.taken = true;
            let result = match (failure, trailers) {
                (Some(failure), _) => Value::err(failure.value()),
                (None, None) => Value::ok(Value::option(None::<Value>)),
                (None, Some(map)) => Value::ok(Value::option(Some(push_headers(s, Fields::incoming(&map), index)?))),
            };
            done(Value::option(Some(Value::ok(result))))
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
            if let Some(failure) = body.exchange.wrong_length() {
                // Dropping the body aborts it.
                return done(Value::err(failure.value()));
            }
            body.exchange.end(End::Finished(trailers));
            done(Value::ok_unit())
        },
        "[resource-drop]outgoing-body" => |s, a| io::drop_of::<OutgoingBody>(s, a),
        _ => return None,
    })
}
