//! What tests of outgoing requests need on both sides of the guest: clients of it, servers for it, and itself behind a
//! server that is as small as can be.

use crate::guest;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lowlift::engine::{EngineKind, Limits, Program, Task, load};
use lowlift::host::http::{
    Answer, BodyError, BodySource, ClientOptions, Exceeded, Fields, HttpClient, HttpPolicy, IncomingRequest, Outbound,
    RequestBody, ResponseSlot,
};
use lowlift::host::{Config, State, Stdio};
use lowlift::link::{Options, link};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) type Body = BoxBody<Bytes, BodyError>;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body whose frames are sent by the test.
pub(crate) fn channel() -> (mpsc::Sender<Result<Frame<Bytes>, BodyError>>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = FromFn(move |cx: &mut std::task::Context<'_>| receiver.poll_recv(cx));
    (sender, BodyExt::boxed(frames))
}

/// `StreamBody` needs a crate for streams; this does not.
struct FromFn<F>(F);

impl<F> hyper::body::Body for FromFn<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        (self.0)(cx)
    }
}

/// The proxy guest, lowered and compiled once for all tests.
static LOWERED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let linked = link(&guest("http-proxy-rust"), Options { verify: true, ..Options::default() });
    linked.expect("links").wasm
});
static PROXY: LazyLock<Arc<dyn Program>> = LazyLock::new(|| program(EngineKind::Wasmtime, &LOWERED));

pub(crate) fn program(engine: EngineKind, module: &[u8]) -> Arc<dyn Program> {
    let exports = ["wasi:http/incoming-handler@0.2.12#handle"];
    load(engine, module, &exports, limits()).expect("loads").into()
}

fn limits() -> Limits {
    Limits { instances: 100, memory: 32 << 20, ..Limits::default() }
}

/// What a guest may do.
pub(crate) fn config(patterns: &[&str], options: ClientOptions) -> Config {
    let http = HttpPolicy::new(patterns.iter().map(|p| p.parse().expect("a pattern")));
    Config { http, client: Arc::new(HttpClient::new(options)), ..Config::default() }
}

/// Serves the proxy guest.
pub(crate) async fn proxy(config: Config) -> SocketAddr {
    serve(PROXY.clone(), config).await
}

/// Serves the proxy guest by the interpreter.
pub(crate) async fn interpreted_proxy(config: Config) -> SocketAddr {
    serve(program(EngineKind::Wasmi, &LOWERED), config).await
}

/// Serves a guest, each request with an instance of its own.
pub(crate) async fn serve(program: Arc<dyn Program>, config: Config) -> SocketAddr {
    serve_limited(program, config, None, Arc::default()).await
}

/// Serves a guest whose request bodies have a limit, and tells whether the last one was above it.
pub(crate) async fn serve_limited(
    program: Arc<dyn Program>,
    config: Config,
    limit: Option<u64>,
    exceeded: Arc<Mutex<Exceeded>>,
) -> SocketAddr {
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (program, config, exceeded) = (program.clone(), config.clone(), exceeded.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (parts, body) = request.into_parts();
                let body: RequestBody = Box::pin(body.map_err(|e| -> BodyError { Box::new(e) }));
                let body = BodySource::new(Some(body));
                let body = if let Some(limit) = limit { body.limited(limit) } else { body };
                *exceeded.lock().expect("no panic") = body.exceeded();
                answer(program.clone(), config.clone(), Request::from_parts(parts, body))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

async fn answer(
    program: Arc<dyn Program>,
    config: Arc<Config>,
    request: Request<BodySource>,
) -> Result<Response<Body>, BodyError> {
    let mut instance = program.instance(State::new(config, Stdio::logged(Arc::new(|_, line| eprintln!("{line}")))));
    let slot = ResponseSlot::default();
    let (parts, body) = request.into_parts();
    let request = IncomingRequest {
        path: parts.uri.path_and_query().map(ToString::to_string),
        method: parts.method,
        https: false,
        authority: None,
        headers: Fields::incoming(&parts.headers),
        body: Some(body),
    };
    let request = instance.state().push_request(request)?;
    let outparam = instance.state().push_outparam(slot.clone())?;
    let mut running = instance.run(Task::new(Some(0), vec![request, outparam], &limits()));
    let (answer, ended) = poll_fn(|cx| match (running.as_mut().poll(cx), slot.take()) {
        (Poll::Ready(finished), answer) => Poll::Ready((answer, Some(finished.outcome))),
        (Poll::Pending, Some(answer)) => Poll::Ready((Some(answer), None)),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await;
    let response = match (answer, &ended) {
        (_, Some(Err(trap))) => {
            let mut response = Response::new(full(trap.to_string()));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
        (Some(Answer::Response(response)), _) => response,
        (Some(Answer::Error(case)), _) => return Ok(Response::new(full(format!("error-code {case}\n")))),
        (None, _) => return Err("no answer".into()),
    };
    let guard = response.body.clone();
    match ended {
        Some(_) => guard.abort(),
        None => drop(tokio::spawn(async move {
            running.await;
            guard.abort();
        })),
    }
    let mut out = Response::new(BodyExt::boxed(Outbound::new(response.body).map_err(|e| -> BodyError { Box::new(e) })));
    *out.status_mut() = response.status;
    *out.headers_mut() = response.headers.to_map();
    Ok(out)
}

/// A server that guests call.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<Mutex<(usize, usize)>>,
    broken: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The most connections that were open at the same time.
    pub(crate) fn most_open(&self) -> usize {
        self.open.lock().expect("no panic").1
    }

    /// Waits for a body to break off.
    pub(crate) async fn a_body_breaks(&self) {
        while self.broken.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// By its name, over TLS.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }
}

/// A server without TLS.
pub(crate) async fn origin() -> Origin {
    start(None).await
}

/// A server with a certificate for `name`, which comes along, and these protocols.
pub(crate) async fn tls_origin(name: &str, protocols: &[&str]) -> (Origin, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("fits");
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    (start(Some(acceptor)).await, made.cert.der().to_vec())
}

async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let origin = Origin { addr, accepted: Arc::default(), open: Arc::default(), broken: Arc::default() };
    let counts = origin.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (origin, tls) = (counts.clone(), tls.clone());
            origin.accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                {
                    let mut open = origin.open.lock().expect("no panic");
                    open.0 += 1;
                    open.1 = open.1.max(open.0);
                }
                match tls {
                    None => speak(stream, &origin).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            speak(stream, &origin).await;
                        }
                    }
                }
                origin.open.lock().expect("no panic").0 -= 1;
            });
        }
    });
    origin
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, origin: &Origin) {
    let broken = origin.broken.clone();
    let service = service_fn(move |request| respond(request, broken.clone()));
    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    // An error means that the client gave up.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// Counts a body that breaks off.
struct Broken(Option<Arc<AtomicUsize>>);

impl Broken {
    fn is_whole(&mut self) {
        self.0 = None;
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn respond(request: Request<Incoming>, broken: Arc<AtomicUsize>) -> Result<Response<Body>, BodyError> {
    let number = request.uri().query().and_then(|q| q.split_once('=')).and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    let mut response = Response::new(empty());
    match request.uri().path() {
        "/hello" => {
            let headers = response.headers_mut();
            headers.append("x-twice", "one".parse()?);
            headers.append("x-twice", "two".parse()?);
            headers.append("keep-alive", "timeout=5".parse()?);
            *response.body_mut() = full("hello\n");
        }
        "/headers" => {
            let mut lines: Vec<String> =
                request.headers().iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap_or("?"))).collect();
            lines.sort();
            let told = format!("{} {} {:?} {}", request.method(), request.uri(), request.version(), lines.join(" "));
            response.headers_mut().insert("x-seen", told.parse()?);
        }
        "/echo" => {
            if let Some(trailer) = request.headers().get("trailer") {
                response.headers_mut().insert("trailer", trailer.clone());
            }
            // Dropped with the frames: before the end, where the body broke off.
            let mut unless_whole = Broken(Some(broken));
            let mut body = request.into_body();
            *response.body_mut() = BodyExt::boxed(FromFn(move |cx: &mut std::task::Context<'_>| {
                let frame = std::task::ready!(Pin::new(&mut body).poll_frame(cx));
                if frame.is_none() {
                    unless_whole.is_whole();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|e| -> BodyError { Box::new(e) })))
            }));
        }
        "/sink" => {
            let body = request.into_body().collect().await?.to_bytes();
            *response.body_mut() = full(format!("{}\n", body.len()));
        }
        "/slow" => tokio::time::sleep(Duration::from_millis(number)).await,
        "/stall" => {
            let (sender, body) = channel();
            tokio::spawn(async move {
                let _ = sender.send(Ok(Frame::data(Bytes::from_static(b"first")))).await;
                sender.closed().await;
                broken.fetch_add(1, Ordering::SeqCst);
            });
            *response.body_mut() = body;
        }
        "/redirect" => {
            *response.status_mut() = http::StatusCode::FOUND;
            response.headers_mut().insert("location", "/hello".parse()?);
        }
        _ => *response.status_mut() = http::StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// A request to the guest for a call.
pub(crate) fn call(method: &str, path: &str, target: &str, times: &str, body: Body) -> Request<Body> {
    let mut request =
        Request::builder().method(method).uri(path).header("host", "guest.test").header("x-target", target);
    if !times.is_empty() {
        request = request.header("x-times", times);
    }
    request.body(body).expect("a request")
}

pub(crate) async fn send(addr: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(addr).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("a response")
}

/// Asks for a call, and gives what the guest tells of it.
pub(crate) async fn told(addr: SocketAddr, path: &str, target: &str) -> String {
    told_in(addr, path, target, "").await
}

pub(crate) async fn told_in(addr: SocketAddr, path: &str, target: &str, times: &str) -> String {
    // One with a body is no GET: the HTTP/1.1 of the hosts leaves bodies of those out.
    let method = if path.starts_with("/fetch") { "GET" } else { "POST" };
    let response = send(addr, call(method, path, target, times, empty())).await;
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}
