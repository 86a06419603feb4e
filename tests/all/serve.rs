//! The server, with real guests: the same answers as under a component runtime, and no harm from bad ones.

use crate::{guest, oracle};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use lowlift::engine::Limits;
use lowlift::host::Config;
use lowlift::link::{Options as LinkOptions, link};
use lowlift::serve::{Options, RouteOptions, Routes, Server};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A server that stops when it is dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) routes: Routes,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) done: tokio::task::JoinHandle<bool>,
}

pub(crate) async fn start(name: &str, limits: Limits) -> Running {
    let options = LinkOptions { verify: true, ..LinkOptions::default() };
    start_module(&link(&guest(name), options).expect("links").wasm, limits).await
}

pub(crate) async fn start_module(module: &[u8], limits: Limits) -> Running {
    start_with(options(module, limits)).await
}

pub(crate) async fn start_with(options: Options) -> Running {
    let server = Server::bind(options).await.expect("binds");
    let addr = server.addr().expect("bound");
    let routes = server.routes();
    let (stop, stopping) = oneshot::channel();
    let done = tokio::spawn(server.run(async {
        let _ = stopping.await;
    }));
    Running { addr, routes, stop: Some(stop), done }
}

pub(crate) fn options(module: &[u8], limits: Limits) -> Options {
    let config = Config { env: vec![("GREETING".into(), "hello".into())], ..Config::default() };
    let engine = crate::engines::chosen();
    let route = RouteOptions { engine, limits, config, ..RouteOptions::new(module.to_vec()) };
    Options::single("127.0.0.1:0".parse().expect("an address"), route)
}

/// Limits under which a test can wait for a time-out.
pub(crate) fn quick() -> Limits {
    Limits { time: Duration::from_secs(1), memory: 32 << 20, instances: 20, ..Limits::default() }
}

pub(crate) type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(crate) async fn send(addr: SocketAddr, request: hyper::Request<Body>) -> hyper::Result<hyper::Response<Incoming>> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

pub(crate) fn request(method: &str, path: &str, body: Body) -> hyper::Request<Body> {
    hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "example.test")
        .header("x-twice", "one")
        .header("x-twice", "two")
        .header("content-type", "text/x-test")
        .body(body)
        .expect("a request")
}

pub(crate) fn empty() -> Body {
    Empty::new().boxed()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// Status, headers less those of the transport, body, trailers.
pub(crate) type Answer = (u16, BTreeMap<String, Vec<String>>, Bytes, Option<BTreeMap<String, Vec<String>>>);

pub(crate) async fn ask(addr: SocketAddr, request: hyper::Request<Body>) -> hyper::Result<Answer> {
    let response = send(addr, request).await?;
    let status = response.status().as_u16();
    let headers = map(response.headers());
    let body = response.into_body().collect().await?;
    let trailers = body.trailers().map(map);
    Ok((status, headers, body.to_bytes(), trailers))
}

pub(crate) fn map(headers: &hyper::HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if !["date", "transfer-encoding", "content-length"].contains(&name.as_str()) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            out.entry(name.to_string()).or_default().push(value);
        }
    }
    out
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let (status, _, body, _) = ask(addr, request("GET", path, empty())).await.expect("an answer");
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Asks our server and a component runtime the same, and compares status, headers, body and trailers.
async fn same_answers(name: &str, requests: &[(&str, &str, usize)]) {
    same_answers_of(start(name, Limits { instances: 20, ..Limits::default() }).await, name, requests).await;
}

async fn same_answers_of(ours: Running, name: &str, requests: &[(&str, &str, usize)]) {
    let theirs = oracle::serve(&guest(name)).await.expect("the oracle serves");
    for &(method, path, size) in requests {
        let body = || full(vec![b'x'; size]);
        let have = ask(ours.addr, request(method, path, body())).await.expect("our answer");
        let want = ask(theirs, request(method, path, body())).await.expect("the oracle's answer");
        assert_eq!(have, want, "{name}: {method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_hello_answers_as_under_a_component_runtime() {
    same_answers("http-hello-rust", &[("GET", "/", 0), ("GET", "/other", 0), ("HEAD", "/", 0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_hello_answers_as_under_a_component_runtime() {
    same_answers("http-hello-c", &[("GET", "/", 0), ("POST", "/", 10)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_echo_answers_as_under_a_component_runtime() {
    same_answers(
        "http-echo-c",
        &[("GET", "/headers?q=1", 0), ("POST", "/echo", 0), ("POST", "/echo", 100_000), ("GET", "/nothing", 0)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_echo_answers_as_under_a_component_runtime() {
    let requests = [
        ("GET", "/headers", 0),
        ("POST", "/echo", 1),
        ("POST", "/echo", 1_000_000),
        ("GET", "/clock", 0),
        ("GET", "/stderr", 0),
        ("GET", "/status?code=418", 0),
        ("GET", "/status?code=204", 0),
        ("GET", "/chunks?n=3", 0),
        ("GET", "/sleep?ms=20", 0),
        ("PATCH", "/nothing", 0),
    ];
    same_answers("http-echo-rust", &requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_lowered_to_1_0_answer_as_under_a_component_runtime() {
    for name in ["http-echo-rust", "http-echo-c"] {
        let target = lowlift::profile::Profile::built_in("mvp");
        let options = LinkOptions { verify: true, target, ..LinkOptions::default() };
        let linked = link(&guest(name), options).expect("links");
        assert!(linked.report.lowered.values().sum::<usize>() > 20, "{name}: {:?}", linked.report.lowered);
        let ours = start_module(&linked.wasm, Limits { instances: 20, ..Limits::default() }).await;
        same_answers_of(ours, name, &[("POST", "/echo", 100_000), ("GET", "/headers?q=1", 0)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_chunk_by_chunk_in_both_directions() {
    let server = start("http-echo-rust", Limits { instances: 20, ..Limits::default() }).await;
    let (sender, receiver) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let stream = channel_body(receiver);
    let mut response =
        send(server.addr, request("POST", "/echo", stream)).await.expect("a response before the body ends");
    // The second chunk is sent only after the first came back: nothing waits for the whole body.
    for chunk in ["first", "second", "third"] {
        sender.send(Ok(Frame::data(Bytes::from(chunk)))).await.expect("the server reads");
        let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), chunk);
    }
    drop(sender);
    assert!(response.body_mut().frame().await.is_none());
}

fn channel_body(mut receiver: mpsc::Receiver<Result<Frame<Bytes>, Infallible>>) -> Body {
    struct Channel<F>(F);
    impl<F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> + Unpin>
        hyper::body::Body for Channel<F>
    {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            (self.0)(cx)
        }
    }
    Channel(move |cx: &mut std::task::Context<'_>| receiver.poll_recv(cx)).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn request_trailers_reach_the_guest_and_response_trailers_the_client() {
    let server = start("http-echo-rust", Limits { instances: 20, ..Limits::default() }).await;
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("x-sum", "42".parse().expect("a value"));
    let (sender, receiver) = mpsc::channel(3);
    sender.send(Ok(Frame::data(Bytes::from("body")))).await.expect("room");
    sender.send(Ok(Frame::trailers(trailers))).await.expect("room");
    drop(sender);
    let mut request = request("POST", "/echo", channel_body(receiver));
    request.headers_mut().insert("trailer", "x-sum".parse().expect("a value"));
    request.headers_mut().insert("te", "trailers".parse().expect("a value"));
    let (status, _, body, trailers) = ask(server.addr, request).await.expect("an answer");
    assert_eq!((status, &body[..]), (200, &b"body"[..]));
    assert_eq!(trailers.expect("trailers")["x-sum"], ["42"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_given_only_what_was_granted() {
    let server = start("http-echo-rust", quick()).await;
    assert_eq!(get(server.addr, "/env").await, (200, "1\n".to_owned()));
    let (status, random) = get(server.addr, "/random").await;
    assert_eq!((status, random.trim().len()), (200, 32));
    assert_ne!(random, get(server.addr, "/random").await.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_gives_500_and_harms_no_other() {
    let server = start("http-echo-rust", quick()).await;
    for path in ["/trap", "/no-response", "/error"] {
        assert_eq!(get(server.addr, path).await.0, 500, "{path}");
    }
    for path in ["/trap-late", "/leak-body"] {
        // A guest that was interrupted after it had answered has its connection aborted instead.
        let answer = ask(server.addr, request("GET", path, empty())).await;
        assert!(answer.is_err() || answer.is_ok_and(|a| a.0 == 500), "{path}");
        assert_eq!(get(server.addr, "/clock").await.0, 200, "after {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_loops_end_at_the_limit_while_others_are_answered() {
    // Long enough for the others even where the machine is busy with other tests.
    let limits = Limits { time: Duration::from_secs(3), ..quick() };
    let server = start("http-echo-rust", limits).await;
    let addr = server.addr;
    let loops: Vec<_> = (0..8).map(|_| tokio::spawn(async move { get(addr, "/loop").await.0 })).collect();
    let mut others = 0;
    while !loops.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(get(addr, "/clock").await.0, 200);
        others += 1;
    }
    assert!(others > 0);
    for task in loops {
        assert_eq!(task.await.expect("no panic"), 504);
    }
    assert_eq!(get(addr, "/sleep?ms=5000").await.0, 504, "waiting counts too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_breaks_off_is_not_ended_cleanly() {
    let server = start("http-echo-rust", quick()).await;
    // 10 ms between chunks, so the limit strikes in mid-body.
    let response = send(server.addr, request("GET", "/chunks?n=100000", empty())).await.expect("a head");
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err(), "the client must see that the body is incomplete");
    assert_eq!(get(server.addr, "/clock").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded() {
    let server = start("http-echo-rust", quick()).await;
    let (status, body) = get(server.addr, "/grow").await;
    let pages: usize = body.split(' ').next().and_then(|n| n.parse().ok()).expect("a number of pages");
    assert_eq!(status, 200);
    assert!(pages * 65536 <= 32 << 20, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_and_requests_without_host_are_refused() {
    let server = start("http-hello-rust", quick()).await;
    let mut large = request("GET", "/", empty());
    large.headers_mut().insert("x-large", "x".repeat(70_000).parse().expect("a value"));
    let answer = ask(server.addr, large).await;
    assert!(answer.is_err() || answer.is_ok_and(|a| a.0 == 431));
    let mut anonymous = request("GET", "/", empty());
    anonymous.headers_mut().remove("host");
    assert_eq!(ask(server.addr, anonymous).await.expect("an answer").0, 400);
    assert_eq!(get(server.addr, "/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_in_progress_finish() {
    let mut server = start("http-echo-rust", Limits { instances: 20, ..Limits::default() }).await;
    let addr = server.addr;
    let response = send(addr, request("GET", "/chunks?n=30", empty())).await.expect("a head");
    server.stop.take().expect("not stopped").send(()).expect("serving");
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(body.iter().filter(|&&b| b == b'\n').count(), 30);
    assert!(server.done.await.expect("no panic"), "everything was drained");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_cannot_be_served_are_refused_before_the_first_request() {
    use lowlift::diagnostic::Code;
    let program = link(&guest("cli-rust"), LinkOptions::default()).expect("links").wasm;
    for (module, code) in [
        (program, Code::NoHandler),
        (
            wat(r#"(func (export "_initialize") unreachable)
                   (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32))"#),
            Code::GuestSetup,
        ),
        (
            wat(r#"(memory (export "memory") 1000)
                   (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32))"#),
            Code::CompileFailed,
        ),
        (
            wat(r#"(import "wasi:http/types@0.2.12" "[method]fields.gett" (func (param i32)))
                   (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32))"#),
            Code::Unresolved,
        ),
        (
            wat(r#"(import "wasi:http/types@0.2.12" "[method]fields.get" (func (param i32)))
                   (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32))"#),
            Code::SignatureMismatch,
        ),
    ] {
        let error = Server::bind(options(&module, quick())).await.err().expect("refused");
        assert_eq!(error.code, code, "{error}");
    }
}

fn wat(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("text")
}

/// A guest in 20 lines: it announces `content-length: LENGTH` twice or once, and never takes the body.
fn announcing(length: &str, times: usize) -> Vec<u8> {
    let append = "(drop (call $append-length (local.get 2)))".repeat(times);
    wat(&format!(
        r#"(import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
           (import "wasi:http/types@0.2.12" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
           (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
           (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
             (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
           (memory (export "memory") 1)
           (data (i32.const 16) "content-length{length}")
           (func $append-length (param i32) (result i32)
             (call $append (local.get 0) (i32.const 16) (i32.const 14) (i32.const 30) (i32.const {}) (i32.const 0))
             (i32.load8_u (i32.const 0)))
           (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32) (local i32)
             (local.set 2 (call $fields))
             {append}
             (call $set (local.get 1) (i32.const 0) (call $response (local.get 2))
               (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"#,
        length.len()
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_length_is_kept_or_the_answer_is_an_error() {
    for (module, method, status) in [
        (announcing("0", 1), "GET", 200),
        (announcing("5", 1), "GET", 500),
        (announcing("5", 1), "HEAD", 200),
        // The second length and the one that is no number are refused when they are set, so none is sent.
        (announcing("0", 2), "GET", 200),
        (announcing("5 ", 1), "GET", 200),
        (announcing("-1", 1), "GET", 200),
    ] {
        let server = Server::bind(options(&module, quick())).await.expect("binds");
        let addr = server.addr().expect("bound");
        let serving = tokio::spawn(server.run(std::future::pending()));
        assert_eq!(ask(addr, request(method, "/", empty())).await.expect("an answer").0, status, "{method}");
        serving.abort();
    }
}
