//! Accepting connections, finding the route, and stopping.

use super::body::ResponseBody;
use super::linger::{Linger, Received, Unread};
use super::listen::{Accepted, Listen, Listener, Stream, Tls};
use super::pool::Counts;
use super::record::Record;
use super::request::{self, Connection, MAX_HEAD, text};
use super::route::{Means, Mode, Route, RouteOptions};
use super::stall::Stall;
use super::{admin, cgi, trace};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::Cache;
use crate::host::Log;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Encrypts all that are listened on, but for Unix sockets.
    pub tls: Option<Tls>,
    /// Where `/metrics` and `/healthz` are, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Answers `/healthz` on the main address too, before all routes.
    pub healthz: bool,
    /// Routes; the first that matches answers.
    pub routes: Vec<RouteOptions>,
    /// Where compiled modules are kept.
    pub cache: Cache,
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send a request head, and may keep a connection idle.
    pub head_time: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub stall_time: Duration,
    /// How long a stop waits for requests in progress.
    pub drain: Duration,
}

impl Options {
    /// One module for every path, on an address.
    pub fn single(addr: SocketAddr, route: RouteOptions) -> Options {
        Options { listen: vec![Listen::Tcp(addr)], ..Options::new(vec![route]) }
    }

    /// These routes with the defaults, and nowhere to listen yet.
    pub fn new(routes: Vec<RouteOptions>) -> Options {
        Options {
            listen: Vec::new(),
            tls: None,
            admin: None,
            healthz: false,
            routes,
            cache: Cache::disabled(),
            connections: 10_000,
            head_time: Duration::from_secs(30),
            stall_time: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// What the transport may read beyond a head.
const READ_AHEAD: usize = 64 * 1024;
/// How often idle instances are looked after.
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// Streams at a time on one connection of HTTP/2.
const STREAMS: u32 = 200;

/// What connections share.
pub(super) struct Shared {
    routes: RwLock<Arc<Vec<Arc<Route>>>>,
    means: Means,
    healthz: bool,
}

impl Shared {
    pub(super) fn routes(&self) -> Arc<Vec<Arc<Route>>> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The route that answers a path.
    pub(super) fn find(&self, path: &str) -> Option<Arc<Route>> {
        self.routes().iter().find(|route| route.pattern.rest(path).is_some()).cloned()
    }

    async fn answer(&self, mut request: Request<Received>, connection: Connection) -> Response<ResponseBody> {
        if self.healthz && request.uri().path() == "/healthz" {
            return text(StatusCode::OK);
        }
        let path = request.uri().path();
        let Some(route) = self.find(path) else { return text(StatusCode::NOT_FOUND) };
        let mut record = Record::new(request.method().clone(), path.to_owned(), route.metrics.clone());
        record.trace = trace::of(&mut request);
        match route.mode {
            Mode::Http => request::answer(route, record, request, connection).await,
            // Boxed, so that the futures of all other requests are not as large as this one, and moved about.
            Mode::Cgi(_) => Box::pin(cgi::answer(self, route, record, request, connection)).await,
        }
    }

    /// Looks after idle instances for ever.
    async fn housekeeping(&self) {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            for route in self.routes().iter() {
                route.pool.reap();
                if let Err(trap) = route.pool.warm().await {
                    tracing::warn!(target: "lowlift", route = %route.pattern, "an instance cannot be set up: {trap}");
                }
            }
        }
    }
}

/// Replaces the routes of a server that runs.
#[derive(Clone)]
pub struct Routes(Arc<Shared>);

impl Routes {
    /// Counters of the instances of each route, in order.
    pub fn instances(&self) -> Vec<Arc<Counts>> {
        self.0.routes().iter().map(|route| route.pool.counts.clone()).collect()
    }

    /// Compiles the new routes, then serves them. Requests in progress end where they are. On an error the old ones stay.
    pub async fn replace(&self, routes: Vec<RouteOptions>) -> Result<()> {
        let new = compile(routes, &self.0.means).await?;
        let old = std::mem::replace(&mut *self.0.routes.write().unwrap_or_else(PoisonError::into_inner), Arc::new(new));
        for route in old.iter() {
            route.pool.close();
        }
        Ok(())
    }
}

async fn compile(options: Vec<RouteOptions>, means: &Means) -> Result<Vec<Arc<Route>>> {
    let mut routes = Vec::with_capacity(options.len());
    for route in options {
        routes.extend(Route::all(route, means).await?);
    }
    Ok(routes)
}

/// A server that has bound its addresses and compiled its modules.
pub struct Server {
    listeners: Vec<Listener>,
    admin: Option<TcpListener>,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    head_time: Duration,
    stall_time: Duration,
    drain: Duration,
}

impl Server {
    /// Compiles and links the modules, checks all imports, then binds the addresses.
    pub async fn bind(options: Options) -> Result<Server> {
        let means = Means { log: guest_log(), cache: options.cache };
        let tls = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let routes = RwLock::new(Arc::new(compile(options.routes, &means).await?));
        let mut listeners = Vec::new();
        for listen in &options.listen {
            listeners.push(Listener::bind(listen).await?);
        }
        let admin = match options.admin {
            Some(addr) => Some(TcpListener::bind(addr).await.map_err(|e| {
                Diagnostic::new(Code::CannotListen, format!("cannot listen on {addr} for the administrator: {e}"))
            })?),
            None => None,
        };
        Ok(Server {
            listeners,
            admin,
            tls,
            shared: Arc::new(Shared { routes, means, healthz: options.healthz }),
            places: Arc::new(Semaphore::new(options.connections)),
            head_time: options.head_time,
            stall_time: options.stall_time,
            drain: options.drain,
        })
    }

    /// The addresses that were bound, in the order of the options.
    pub fn listening(&self) -> std::io::Result<Vec<Listen>> {
        self.listeners.iter().map(Listener::addr).collect()
    }

    /// The first TCP address that was bound.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        let tcp = self.listening()?.into_iter().find_map(|l| if let Listen::Tcp(addr) = l { Some(addr) } else { None });
        tcp.ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
    }

    /// The administrator's address, if there is one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// A handle by which routes can be replaced while the server runs.
    pub fn routes(&self) -> Routes {
        Routes(self.shared.clone())
    }

    /// Serves until `stop` resolves, then lets requests in progress finish, as long as the drain time allows. Says
    /// whether all of them did.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> bool {
        let admin = self.admin.take().map(|listener| tokio::spawn(admin::run(listener, self.shared.clone())));
        let shared = self.shared.clone();
        let housekeeping = tokio::spawn(async move { shared.housekeeping().await });
        let graceful = GracefulShutdown::new();
        let http = self.http();
        let mut stop = pin!(stop);
        loop {
            // A closed semaphore would mean that the server is gone.
            let Ok(place) = self.places.clone().acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = &mut stop => break,
            };
            self.connect(accepted, place, &http, graceful.watcher()).await;
        }
        // Whoever is in the queue already was told that the connection stands.
        while let (Ok(place), Poll::Ready(accepted)) =
            (self.places.clone().try_acquire_owned(), self.accept_now().await)
        {
            self.connect(accepted, place, &http, graceful.watcher()).await;
        }
        self.listeners.clear();
        let drained = tokio::time::timeout(self.drain, graceful.shutdown()).await.is_ok();
        housekeeping.abort();
        if let Some(admin) = admin {
            admin.abort();
        }
        for route in self.shared.routes().iter() {
            route.pool.close();
        }
        drained
    }

    fn http(&self) -> auto::Builder<TokioExecutor> {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_time)
            .max_buf_size(MAX_HEAD + READ_AHEAD)
            .half_close(false);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(self.head_time)
            .keep_alive_timeout(self.head_time);
        http
    }

    /// The next connection of any listener.
    async fn accept(&self) -> std::io::Result<Accepted> {
        let mut accepts: Vec<_> = self.listeners.iter().map(|listener| Box::pin(listener.accept())).collect();
        poll_fn(|cx| {
            for accept in &mut accepts {
                if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// A connection that waits already, if there is one.
    async fn accept_now(&self) -> Poll<std::io::Result<Accepted>> {
        let mut accept = pin!(self.accept());
        poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await
    }

    async fn connect(
        &self,
        accepted: std::io::Result<Accepted>,
        place: OwnedSemaphorePermit,
        http: &auto::Builder<TokioExecutor>,
        watcher: Watcher,
    ) {
        let (stream, addresses) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of descriptors, most likely: give connections time to end.
                tracing::warn!(target: "lowlift", "cannot accept: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
        };
        let tls = self.tls.clone().filter(|_| addresses.is_some());
        let (shared, http) = (self.shared.clone(), http.clone());
        let (head_time, stall_time) = (self.head_time, self.stall_time);
        tokio::spawn(async move {
            let connection = Connection { https: tls.is_some(), addresses };
            let served = match tls {
                None => serve(Stall::new(stream, head_time, stall_time), shared, http, watcher, connection).await,
                Some(tls) => match tokio::time::timeout(head_time, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        serve(Stall::new(stream, head_time, stall_time), shared, http, watcher, connection).await
                    }
                    Ok(Err(e)) => Err(e.into()),
                    Err(_) => Err("the handshake took too long".into()),
                },
            };
            if let Err(e) = served {
                tracing::debug!(target: "lowlift", "connection: {e}");
            }
            drop(place);
        });
    }
}

async fn serve(
    stream: impl Stream + 'static,
    shared: Arc<Shared>,
    http: auto::Builder<TokioExecutor>,
    watcher: Watcher,
    connection: Connection,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let unread = Unread::default();
    let stream = Linger::new(stream, unread.clone());
    let answer = service_fn(move |request: Request<Incoming>| {
        let (shared, version) = (shared.clone(), request.version());
        let request = request.map(|body| Received::new(body, version, &unread));
        async move { Ok::<_, Infallible>(shared.answer(request, connection).await) }
    });
    let serving = http.serve_connection(TokioIo::new(stream), answer).into_owned();
    watcher.watch(serving).await
}

/// Guest output to the log, a line at a time.
fn guest_log() -> Log {
    Arc::new(|stderr, line| {
        let stream = if stderr { "stderr" } else { "stdout" };
        tracing::info!(target: "guest", stream, "{line}");
    })
}
