//! The client that sends guests' requests: HTTP/1.1, and HTTP/2 where TLS agrees on it.
//!
//! It keeps connections for all instances of a server. It follows no redirect, uses no proxy and adds no header but `host`.

mod connect;
mod failures;
mod pool;
mod target;

pub(super) use target::{Host, Target};

use super::{ErrorCode, Failure, HttpPolicy, Outbound};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pool::{Connection, Pool, Sender};
use rustls::ClientConfig;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Sleep, sleep, timeout};

/// The largest head of a response, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How often a request may meet a connection that the server has just closed, before a new one is made.
const MAX_STALE: usize = 3;

/// Bounds of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Connections that may be open; more wait for one to close, as long as their connect time-out allows.
    pub connections: usize,
    /// Requests that one instance may have on their way.
    pub per_instance: usize,
    /// Connections that are kept for one scheme, host and port.
    pub idle: usize,
    /// How long they are kept.
    pub idle_time: Duration,
    /// Root certificates beside the system's, in DER.
    pub roots: Vec<Vec<u8>>,
}

impl Default for ClientOptions {
    /// 1,000 connections, 100 requests of an instance, 16 connections kept for 60 s.
    fn default() -> Self {
        ClientOptions {
            connections: 1_000,
            per_instance: 100,
            idle: 16,
            idle_time: Duration::from_secs(60),
            roots: Vec::new(),
        }
    }
}

/// Sends requests of guests.
pub struct HttpClient {
    options: ClientOptions,
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        HttpClient::new(ClientOptions::default())
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How long a request may take at its stages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) between_bytes: Duration,
}

/// A request whose target is its path and query.
pub(super) struct Outgoing {
    pub(super) target: Target,
    pub(super) authority: Authority,
    pub(super) message: Request<Outbound>,
    pub(super) times: Times,
    /// Held until the response is read or dropped.
    pub(super) counted: Arc<()>,
}

impl HttpClient {
    /// A client; roots are read at its first request over TLS.
    pub fn new(options: ClientOptions) -> HttpClient {
        HttpClient {
            pool: Arc::new(Pool::new(options.idle, options.idle_time)),
            slots: Arc::new(Semaphore::new(options.connections.min(Semaphore::MAX_PERMITS))),
            tls: OnceCell::new(),
            options,
        }
    }

    /// Requests that one instance may have on their way.
    pub(super) fn per_instance(&self) -> usize {
        self.options.per_instance
    }

    /// Sends a request, and gives the response as soon as its head is there.
    pub(super) async fn send(&self, policy: &HttpPolicy, outgoing: Outgoing) -> Result<Response<Inbound>, Failure> {
        let Outgoing { target, authority, mut message, times, counted } = outgoing;
        let mut stale = 0;
        loop {
            let reuse = stale < MAX_STALE;
            let (mut connection, is_new) = self.connection(&target, policy, times.connect, reuse).await?;
            if let (true, Some(share)) = (is_new, connection.to_keep()) {
                self.pool.put(&target, share);
            }
            connection.sender.fit(&mut message, &target, &authority);
            let sent = timeout(times.first_byte, connection.sender.send(message)).await;
            let late = || format!("{target} did not answer within {:?}", times.first_byte);
            match sent.map_err(|_| Failure::new(ErrorCode::ConnectionReadTimeout, late()))? {
                Ok(response) => {
                    let held = (counted, self.keep(&target, connection));
                    let time = times.between_bytes;
                    return Ok(response.map(|body| Inbound { body, waiting: None, time, _held: held }));
                }
                // Nothing of it went out, so that it may be said again.
                Err(unsent) => match unsent.message {
                    Some(unsent) if !is_new => message = unsent,
                    _ => return Err(unsent.failure),
                },
            }
            stale += 1;
        }
    }

    /// Keeps a connection that serves one request at a time, once it has served this one. A share of one that serves
    /// several is given back, to be held as long as the request lasts.
    fn keep(&self, target: &Target, mut connection: Connection) -> Option<Connection> {
        if let Sender::Two(..) = connection.sender {
            return Some(connection);
        }
        let (pool, target) = (Arc::downgrade(&self.pool), target.clone());
        tokio::spawn(async move {
            if let Sender::One(sender) = &mut connection.sender
                && sender.ready().await.is_ok()
                && let Some(pool) = pool.upgrade()
            {
                pool.put(&target, connection);
            }
        });
        None
    }
}

/// A request that failed, and itself if nothing of it was sent.
struct Unsent {
    failure: Failure,
    message: Option<Request<Outbound>>,
}

impl Sender {
    /// Writes the target in the form that the version has for it.
    fn fit(&self, message: &mut Request<Outbound>, target: &Target, authority: &Authority) {
        let mut parts = std::mem::take(message.uri_mut()).into_parts();
        match self {
            Sender::One(_) => {
                (parts.scheme, parts.authority) = (None, None);
                *message.version_mut() = Version::HTTP_11;
                if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
                    message.headers_mut().insert(http::header::HOST, host);
                }
            }
            Sender::Two(..) => {
                parts.scheme = Some(if target.https { Scheme::HTTPS } else { Scheme::HTTP });
                parts.authority = Some(authority.clone());
                *message.version_mut() = Version::HTTP_2;
                message.headers_mut().remove(http::header::HOST);
            }
        }
        // All parts were checked, and fit each other.
        *message.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }

    async fn send(&mut self, message: Request<Outbound>) -> Result<Response<Incoming>, Unsent> {
        let ready = match self {
            Sender::One(sender) => sender.ready().await,
            Sender::Two(sender, _) => sender.ready().await,
        };
        if let Err(e) = ready {
            return Err(Unsent { failure: failures::exchange(&e), message: Some(message) });
        }
        let sent = match self {
            Sender::One(sender) => sender.try_send_request(message).await,
            Sender::Two(sender, _) => sender.try_send_request(message).await,
        };
        sent.map_err(|mut e| Unsent { message: e.take_message(), failure: failures::exchange(e.error()) })
    }
}

/// The body of a response on its way to the guest.
pub(super) struct Inbound {
    body: Incoming,
    /// Runs while nothing comes, from when the guest first looked.
    waiting: Option<Pin<Box<Sleep>>>,
    time: Duration,
    /// The request among those of its instance, and of its connection.
    _held: (Arc<()>, Option<Connection>),
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|e| failures::exchange(&e))));
        }
        let time = self.time;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(time)));
        if waiting.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let why = format!("nothing came for {time:?}");
        Poll::Ready(Some(Err(Failure::new(ErrorCode::ConnectionReadTimeout, why))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
