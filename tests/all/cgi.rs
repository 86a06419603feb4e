//! Programs behind the server: what RFC 3875 says, and where its peers fail.
//!
//! Most tests use a pipe: a guest that writes its input to its output, so that a request carries the output to be judged.
//! The last byte of a piece of input may tell it how to end.

use crate::guest;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use lowlift::diagnostic::Code;
use lowlift::engine::{EngineKind, Limits};
use lowlift::host::Config;
use lowlift::link::{Options as LinkOptions, link};
use lowlift::serve::{CgiOptions, Mode, Options, Pattern, Policy, RequestLimits, RouteOptions, Server};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

const TRAP: &str = "\0";
const EXIT_3: &str = "\x01";
const EXIT_0: &str = "\x02";
const LOOP: &str = "\x03";
const FAIL: &str = "\x04";
const FLOOD: &str = "\x05";

/// Exports: the pipe, and one that shows its arguments and variables. `more` is put into the module.
fn program(more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
      (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
      (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
      (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
      (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write-and-flush (param i32 i32 i32 i32)))
      (import "wasi:cli/exit@0.2.12" "exit-with-code" (func $exit (param i32)))
      (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
      (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
      (memory (export "memory") 16)
      (global $free (mut i32) (i32.const 65536))
      (global $out (mut i32) (i32.const 0))
      (data (i32.const 1024) "Content-Type: text/plain\n\n")
      (data (i32.const 1056) "=\narg ")
      (data (i32.const 1072) "/one/... pipe\n/one/two env\n\n")
      (data (i32.const 1104) "Content-Type: text/plain\n\none")
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8)))))
      (func $write (param i32 i32) (result i32)
        (if (i32.eqz (global.get $out)) (then (global.set $out (call $stdout))))
        (call $write-and-flush (global.get $out) (local.get 0) (local.get 1) (i32.const 32))
        (i32.load8_u (i32.const 32)))
      (func $say (param i32 i32) (drop (call $write (local.get 0) (local.get 1))))
      (func $pipe (export "wasi:cli/run@0.2.0#run") (export "pipe") (result i32)
        (local $in i32) (local $at i32) (local $length i32) (local $mark i32)
        (local.set $in (call $stdin))
        (loop $next
          (global.set $free (i32.const 65536))
          (call $read (local.get $in) (i64.const 4096) (i32.const 16))
          (if (i32.load8_u (i32.const 16)) (then (return (i32.const 0))))
          (local.set $at (i32.load (i32.const 20)))
          (local.set $length (i32.load (i32.const 24)))
          (local.set $mark
            (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 1))))
          (if (i32.lt_u (local.get $mark) (i32.const 8))
            (then (local.set $length (i32.sub (local.get $length) (i32.const 1)))))
          (if (local.get $length) (then (call $say (local.get $at) (local.get $length))))
          (if (i32.eq (local.get $mark) (i32.const 0)) (then unreachable))
          (if (i32.eq (local.get $mark) (i32.const 1)) (then (call $exit (i32.const 3))))
          (if (i32.eq (local.get $mark) (i32.const 2)) (then (call $exit (i32.const 0))))
          (if (i32.eq (local.get $mark) (i32.const 3)) (then (loop $ever (br $ever))))
          (if (i32.eq (local.get $mark) (i32.const 4)) (then (return (i32.const 1))))
          (if (i32.eq (local.get $mark) (i32.const 5))
            (then
              (loop $flood (br_if $flood (i32.eqz (call $write (i32.const 0) (i32.const 4096)))))
              (return (i32.const 0))))
          (br $next))
        unreachable)
      (func (export "env") (local $at i32) (local $end i32)
        (call $say (i32.const 1024) (i32.const 26))
        (call $arguments (i32.const 16))
        (local.set $at (i32.load (i32.const 16)))
        (local.set $end (i32.add (local.get $at) (i32.mul (i32.load (i32.const 20)) (i32.const 8))))
        (block $done (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (call $say (i32.const 1058) (i32.const 4))
          (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
          (call $say (i32.const 1057) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
        (call $environment (i32.const 16))
        (local.set $at (i32.load (i32.const 16)))
        (local.set $end (i32.add (local.get $at) (i32.mul (i32.load (i32.const 20)) (i32.const 16))))
        (block $done (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
          (call $say (i32.const 1056) (i32.const 1))
          (call $say (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))
          (call $say (i32.const 1057) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br $next))))
      {more})"#
    );
    wat::parse_str(text).expect("text")
}

struct Running {
    addr: SocketAddr,
    admin: SocketAddr,
    task: tokio::task::JoinHandle<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Limits under which a test can wait for a time-out.
fn quick() -> Limits {
    Limits { time: Duration::from_secs(2), cpu: Duration::from_millis(300), instances: 20, ..Limits::default() }
}

fn route(pattern: &str, entrypoint: Option<&str>) -> RouteOptions {
    let cgi = CgiOptions { entrypoint: entrypoint.map(str::to_owned), ..CgiOptions::default() };
    let pattern = Pattern::parse(pattern).expect("a pattern");
    RouteOptions { pattern, mode: Mode::Cgi(cgi), limits: quick(), ..RouteOptions::new(program("")) }
}

async fn serve(routes: Vec<RouteOptions>) -> Running {
    let local: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let first = routes.first().expect("a route").clone();
    let options = Options { routes, admin: Some(local), ..Options::single(local, first) };
    let server = Server::bind(options).await.expect("binds");
    let (addr, admin) = (server.addr().expect("bound"), server.admin().expect("bound"));
    Running { addr, admin, task: tokio::spawn(server.run(std::future::pending())) }
}

/// The pipe at `/pipe/...`, and what shows variables at `/env/...`.
async fn both() -> Running {
    serve(vec![route("/pipe/...", None), route("/env/...", Some("env"))]).await
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

fn request(method: &str, path: &str, body: Body) -> hyper::Request<Body> {
    let request = hyper::Request::builder().method(method).uri(path).header("host", "example.test:99");
    request.body(body).expect("a request")
}

async fn send(addr: SocketAddr, request: hyper::Request<Body>) -> hyper::Response<Incoming> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

async fn ask(addr: SocketAddr, request: hyper::Request<Body>) -> (u16, hyper::HeaderMap, String) {
    let response = send(addr, request).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

/// The value of a field, which is empty where there is none.
fn field<'h>(headers: &'h hyper::HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// The answer where the guest's output is this.
async fn output(server: &Running, output: impl Into<Bytes>) -> (u16, hyper::HeaderMap, String) {
    ask(server.addr, request("POST", "/pipe", full(output))).await
}

/// A sample of the metrics, of all routes together.
async fn metric(server: &Running, name: &str) -> f64 {
    let (_, _, text) = ask(server.admin, request("GET", "/metrics", Empty::new().boxed())).await;
    let (name, label) = name.split_once(' ').unwrap_or((name, ""));
    let lines = text.lines().filter(|l| l.starts_with(&format!("{name}{{")) && l.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn until(server: &Running, name: &str, wanted: f64) {
    while metric(server, name).await < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_a_type_or_a_status() {
    let server = both().await;
    let (status, headers, body) = output(&server, "Content-Type: text/x\nX-Own: 1\n\nline\n\nmore").await;
    assert_eq!((status, body.as_str()), (200, "line\n\nmore"));
    assert_eq!((field(&headers, "content-type"), field(&headers, "x-own")), ("text/x", "1"));
    assert_eq!(field(&headers, "content-length"), "10", "the guest is done, so that the length is known");
    let (status, headers, body) = output(&server, "Status: 404 Not here\r\ncontent-type: text/x\r\n\r\ngone").await;
    assert_eq!((status, field(&headers, "content-type"), body.as_str()), (404, "text/x", "gone"));
    let (status, _, body) = output(&server, "HTTP/1.1 201 Created\r\nX-Own: 1\r\n\r\nmade").await;
    assert_eq!((status, body.as_str()), (201, "made"));
    let (status, headers, _) = output(&server, "Status: 200\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n").await;
    assert_eq!((status, headers.get_all("set-cookie").iter().count()), (200, 2));
    let (status, headers, _) = output(&server, "Status: 200\nConnection: x-own\nUpgrade: h9\nX-Own: 1\n\n").await;
    assert_eq!((status, field(&headers, "x-own"), headers.get("upgrade")), (200, "1", None));
    assert!(headers.get("connection").is_none(), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_no_response_gives_502() {
    let server = both().await;
    for bad in [
        "",
        "Content-Type: text/plain",
        "Content-Type: text/plain\n",
        "\nbody",
        "X-Own: 1\n\n",
        "no field\n\n",
        "Status: 200\nX Own: 1\n\n",
        "Status: 200\nX-Own: a\rb\n\n",
        "Status: 200\nStatus: 200\n\n",
        "Status: many\n\n",
        "Status: 100\n\n",
        "Location: there\n\n",
    ] {
        assert_eq!(output(&server, bad).await.0, 502, "{bad:?}");
    }
    // The head may have left before the guest ends; then what follows it is cut off.
    for bad in ["Status: 200\nContent-Length: 9\n\nshort", "Status: 200\nContent-Length: 2\n\nlong"] {
        let response = send(server.addr, request("POST", "/pipe", full(bad))).await;
        let status = response.status().as_u16();
        let whole = response.into_body().collect().await.is_ok();
        assert!(status == 502 || (status == 200 && !whole), "{bad:?}: {status}, whole: {whole}");
    }
    let long = format!("Status: 200\nX-Long: {}\n\nbody", "x".repeat(70_000));
    assert_eq!(output(&server, long).await.0, 502);
    assert_eq!(output(&server, "Status: 200\n\n").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_of_the_client_come_with_a_document_or_without() {
    let server = both().await;
    for (out, status, location, body) in [
        ("Location: https://example.org/a#b\n\n", 302, "https://example.org/a#b", ""),
        ("Location: https://example.org/a\nContent-Type: text/x\n\nthere", 302, "https://example.org/a", "there"),
        ("Content-Type: text/x\nStatus: 308 For ever\nLocation: /a\n\nthere", 308, "/a", "there"),
        ("Status: 201\nLocation: a\n\n", 201, "a", ""),
    ] {
        let (have, headers, text) = output(&server, out).await;
        assert_eq!((have, field(&headers, "location"), text.as_str()), (status, location, body), "{out:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_redirect_is_followed_here() {
    let hello = link(&guest("http-hello-rust"), LinkOptions::default()).expect("links").wasm;
    let hello = RouteOptions { pattern: Pattern::parse("/hello").expect("a pattern"), ..RouteOptions::new(hello) };
    let server = serve(vec![route("/pipe/...", None), route("/env/...", Some("env")), hello]).await;
    let (status, _, text) = output(&server, "Location: /env/x%20y?p=1\n\nnot shown").await;
    assert_eq!(status, 200);
    for line in [
        "REQUEST_METHOD=GET",
        "PATH_INFO=/x y",
        "QUERY_STRING=p=1",
        "REQUEST_URI=/env/x%20y?p=1",
        "arg p=1",
        "CONTENT_TYPE=",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("CONTENT_LENGTH") && !text.contains("not shown"), "{text}");
    assert_eq!(output(&server, "Location: /nowhere\n\n").await.0, 404);
    let (status, _, body) = output(&server, "Location: /hello\n\n").await;
    assert_eq!((status, body.is_empty()), (200, false), "a handler can be the target too");
    // The guest may finish its work, and what it says by failing counts.
    assert_eq!(output(&server, format!("Location: /env\n\n{TRAP}")).await.0, 500);
    assert_eq!(output(&server, format!("Location: /env\n\n{EXIT_3}")).await.0, 200);
    assert_eq!(metric(&server, "lowlift_requests_running").await, 0.0);
    assert_eq!(metric(&server, "lowlift_requests_total 2xx").await, 3.0, "each request counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn local_redirects_end() {
    let ring = r#"(data (i32.const 2048) "Location: /ring\n\n")
        (func (export "ring") (call $say (i32.const 2048) (i32.const 17)))"#;
    let server = serve(vec![RouteOptions { module: program(ring), ..route("/ring", Some("ring")) }]).await;
    assert_eq!(ask(server.addr, request("GET", "/ring", Empty::new().boxed())).await.0, 500);
    // One at the start, to try it, one for the request, and ten redirects.
    assert_eq!(metric(&server, "lowlift_instances_made_total").await, 12.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_statuses_without_a_body_have_none() {
    let server = both().await;
    let (status, headers, body) = ask(server.addr, request("HEAD", "/env", Empty::new().boxed())).await;
    assert_eq!((status, field(&headers, "content-type"), body.as_str()), (200, "text/plain", ""));
    for out in ["Status: 204\nContent-Length: 4\n\nbody", "Status: 304\n\nbody"] {
        let (_, headers, body) = output(&server, out).await;
        assert_eq!((headers.get("content-length"), body.as_str()), (None, ""), "{out:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_say_what_was_asked() {
    let config =
        Config { env: vec![("MINE".into(), "yes".into()), ("SERVER_NAME".into(), "no".into())], ..Config::default() };
    let server = serve(vec![RouteOptions { config, ..route("/env/...", Some("env")) }]).await;
    let mut asked = request("PUT", "/env/a%2Fb%20%C3%A9/?p=1&q=%20", full("12345"));
    for (name, value) in [
        ("content-type", "text/x"),
        ("authorization", "Basic eDp5"),
        ("proxy", "http://evil.test"),
        ("x-twice", "one"),
        ("x-twice", "two"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x_under", "1"),
        ("connection", "x-gone"),
    ] {
        asked.headers_mut().append(name, value.parse().expect("a value"));
    }
    let (status, _, text) = ask(server.addr, asked).await;
    assert_eq!(status, 200);
    let port = server.addr.port();
    let version = env!("CARGO_PKG_VERSION");
    let want = [
        "arg /env",
        "arg p=1",
        "arg q=%20",
        "AUTH_TYPE=",
        "CONTENT_LENGTH=5",
        "CONTENT_TYPE=text/x",
        "GATEWAY_INTERFACE=CGI/1.1",
        "HTTP_COOKIE=a=1; b=2",
        "HTTP_HOST=example.test:99",
        "HTTP_X_TWICE=one, two",
        "MINE=yes",
        "PATH_INFO=/a/b é/",
        "PATH_TRANSLATED=/a/b é/",
        "QUERY_STRING=p=1&q=%20",
        "REMOTE_ADDR=127.0.0.1",
        "REMOTE_HOST=127.0.0.1",
        "REMOTE_USER=",
        "REQUEST_METHOD=PUT",
        "REQUEST_SCHEME=http",
        "REQUEST_URI=/env/a%2Fb%20%C3%A9/?p=1&q=%20",
        "SCRIPT_NAME=/env",
        "SERVER_NAME=example.test",
        &format!("SERVER_PORT={port}"),
        "SERVER_PROTOCOL=HTTP/1.1",
        &format!("SERVER_SOFTWARE=lowlift/{version}"),
        "X_FULL_URL=http://example.test:99/env/a%2Fb%20%C3%A9/?p=1&q=%20",
        "X_MATCHED_ROUTE=/env/...",
        "X_RAW_PATH_INFO=/a%2Fb%20%C3%A9/",
    ];
    let mut have: Vec<&str> = text.lines().collect();
    have[3..].sort_unstable();
    assert_eq!(have, want);
    for bad in ["/env/%00", "/env/%ff"] {
        assert_eq!(ask(server.addr, request("GET", bad, Empty::new().boxed())).await.0, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_follow_a_template() {
    let cgi = CgiOptions { entrypoint: Some("env".into()), argv: "ruby x.rb ${SCRIPT_NAME} ${ARGS}".into() };
    let server = serve(vec![RouteOptions { mode: Mode::Cgi(cgi), ..route("/env/...", None) }]).await;
    for (query, want) in [("a=1&b=2", vec!["a=1", "b=2"]), ("one+t%20wo", vec!["one", "t wo"]), ("", vec![])] {
        let path = format!("/env/more?{query}");
        let (_, _, text) = ask(server.addr, request("GET", &path, Empty::new().boxed())).await;
        let have: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("arg ")).collect();
        assert_eq!(have, [vec!["ruby", "x.rb", "/env"], want].concat(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_program_ends_decides_until_the_head_is_sent() {
    let server = both().await;
    let head = "Status: 201\n\nbody";
    for (out, status) in [
        (TRAP.to_owned(), 500),
        (LOOP.to_owned(), 504),
        (EXIT_3.to_owned(), 500),
        (FAIL.to_owned(), 500),
        (EXIT_0.to_owned(), 502),
        (format!("Status: 201\n{EXIT_3}"), 500),
        (format!("{head}{TRAP}"), 500),
        (format!("{head}{EXIT_0}"), 201),
        // A code after the head is noted, and the answer stands.
        (format!("{head}{EXIT_3}"), 201),
        (format!("{head}{FAIL}"), 201),
    ] {
        assert_eq!(output(&server, out.clone()).await.0, status, "{out:?}");
    }
    // The request waits for nobody, so that these run into their wall time.
    let (_keep, body) = channel();
    assert_eq!(ask(server.addr, request("POST", "/pipe", body)).await.0, 504);
}

/// A body that is sent piece by piece.
fn channel() -> (mpsc::Sender<&'static str>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    struct Frames<F>(F);
    impl<F> hyper::body::Body for Frames<F>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<&'static str>> + Unpin,
    {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            (self.0)(cx).map(|item| item.map(|text| Ok(Frame::data(Bytes::from(text)))))
        }
    }
    (sender, Frames(move |cx: &mut std::task::Context<'_>| receiver.poll_recv(cx)).boxed())
}

async fn next(response: &mut hyper::Response<Incoming>) -> Option<Result<Bytes, hyper::Error>> {
    let frame = response.body_mut().frame().await?;
    Some(frame.map(|frame| frame.into_data().expect("data")))
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_chunks_leave_as_they_are_written() {
    let server = both().await;
    let (sender, body) = channel();
    sender.send("Content-Type: text/x\n").await.expect("room");
    let waiting = tokio::spawn(send(server.addr, request("POST", "/pipe", body)));
    sender.send("\n").await.expect("the server reads");
    // Each piece is sent only after the one before came back: nothing waits for the whole input or output.
    let mut response = waiting.await.expect("no panic");
    assert_eq!(response.status(), 200);
    for piece in ["first", "second", "third"] {
        sender.send(piece).await.expect("the server reads");
        assert_eq!(next(&mut response).await.expect("a chunk").expect("no error"), piece);
    }
    drop(sender);
    assert!(next(&mut response).await.is_none(), "a clean end");
}

/// A response that has begun, after which the guest is told how to end. Whether the client saw a clean end.
async fn begun(server: &Running, head: &'static str, rest: &'static str) -> bool {
    let (sender, body) = channel();
    sender.send(head).await.expect("room");
    let mut response = send(server.addr, request("POST", "/pipe", body)).await;
    assert_eq!(response.status(), 200);
    sender.send(rest).await.expect("the server reads");
    drop(sender);
    while let Some(chunk) = next(&mut response).await {
        if chunk.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_has_begun_is_aborted_by_a_trap_and_not_by_a_code() {
    let server = both().await;
    let head = "Content-Type: text/x\n\nbody";
    for (end, clean) in [(TRAP, false), (LOOP, false), (EXIT_3, true), (EXIT_0, true), (FAIL, true), ("more", true)] {
        assert_eq!(begun(&server, head, end).await, clean, "{end:?}");
    }
    assert_eq!(metric(&server, "lowlift_instances_retired_total \"exit\"").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_length_is_kept_or_the_response_is_aborted() {
    let server = both().await;
    let head = "Status: 200\nContent-Length: 8\n\nbody";
    for (rest, clean) in [("more", true), ("less", true), ("bit", false), ("x", false)] {
        assert_eq!(begun(&server, head, rest).await, clean, "{rest:?}");
    }
    let (status, headers, body) = output(&server, "Status: 200\nContent-Length: 4\n\nbody").await;
    assert_eq!((status, field(&headers, "content-length"), body.as_str()), (200, "4", "body"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_floods_waits_for_its_client_and_ends_with_it() {
    let server = both().await;
    let (sender, body) = channel();
    sender.send("Status: 200\n\n").await.expect("room");
    let mut response = send(server.addr, request("POST", "/pipe", body)).await;
    sender.send(FLOOD).await.expect("the server reads");
    let mut bytes = 0;
    while bytes < 1 << 20 {
        bytes += next(&mut response).await.expect("more").expect("no error").len();
    }
    drop(response);
    until(&server, "lowlift_instances_retired_total \"client-gone\"", 1.0).await;
    assert_eq!(metric(&server, "lowlift_instances ").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_output_ends_a_guest_that_runs_on() {
    let server = both().await;
    let (sender, body) = channel();
    sender.send("no field\n\n").await.expect("room");
    assert_eq!(ask(server.addr, request("POST", "/pipe", body)).await.0, 502);
    assert_eq!(metric(&server, "lowlift_instances_retired_total \"bad-output\"").await, 1.0);
    drop(sender);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_are_refused() {
    let requests = RequestLimits { request_body: 100, response_body: Some(50), ..RequestLimits::default() };
    let server = serve(vec![RouteOptions { requests, ..route("/pipe", None) }]).await;
    let long = format!("Status: 200\n\n{}", "x".repeat(60));
    assert_eq!(output(&server, long.clone()).await.0, 500, "the response is too long");
    assert_eq!(output(&server, "x".repeat(101)).await.0, 413, "announced");
    let (sender, body) = channel();
    let sending = tokio::spawn(async move {
        for _ in 0..3 {
            sender.send("X-Field: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n").await.expect("the server reads");
        }
        sender
    });
    assert_eq!(ask(server.addr, request("POST", "/pipe", body)).await.0, 413, "not announced");
    // Until now the body was open.
    drop(sending.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_an_instance_of_its_own() {
    let counter = r#"(global $n (mut i32) (i32.const 0))
        (func (export "count")
          (if (global.get $n) (then unreachable))
          (global.set $n (i32.const 1))
          (call $say (i32.const 1104) (i32.const 29)))"#;
    let options = RouteOptions { module: program(counter), ..route("/", Some("count")) };
    let server = serve(vec![options.clone()]).await;
    for _ in 0..3 {
        let answer = ask(server.addr, request("GET", "/", Empty::new().boxed())).await;
        assert_eq!((answer.0, answer.2.as_str()), (200, "one"));
    }
    assert_eq!(metric(&server, "lowlift_instances_made_total").await, 4.0, "one at the start, to try it");
    for policy in [Policy { max: 2, ..Policy::default() }, Policy { min_warm: 1, ..Policy::default() }] {
        refused(RouteOptions { policy, ..options.clone() }, Code::ConfigInvalid).await;
    }
}

async fn refused(options: RouteOptions, code: Code) {
    let error = Server::bind(Options::single("127.0.0.1:0".parse().expect("an address"), options)).await.err();
    assert_eq!(error.expect("refused").code, code);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_declares_routes_below_its_own() {
    let routes = r#"(func (export "_routes") (call $say (i32.const 1072) (i32.const 28)))"#;
    let options = RouteOptions { module: program(routes), ..route("/app/...", None) };
    let server = serve(vec![options.clone()]).await;
    let matched = async |path: &str| {
        let (_, _, text) = ask(server.addr, request("POST", path, full("Status: 200\n\npiped"))).await;
        text.lines().find(|l| l.starts_with("X_MATCHED_ROUTE=")).unwrap_or(&text).to_owned()
    };
    // `/app/one/...` would answer too, but was declared earlier.
    assert_eq!(matched("/app/one/two").await, "X_MATCHED_ROUTE=/app/one/two");
    assert_eq!(matched("/app/one/two/three").await, "piped");
    assert_eq!(matched("/app/other").await, "piped");
    for bad in [
        r#"(func (export "_routes"))"#,
        r#"(func (export "_routes") unreachable)"#,
        r#"(func (export "_routes") (call $say (i32.const 1073) (i32.const 3)))"#,
        r#"(func (export "_routes") (drop (call $write (i32.const 0) (i32.const 4096))))"#,
    ] {
        refused(RouteOptions { module: program(bad), ..options.clone() }, Code::GuestSetup).await;
    }
    let unknown = r#"(func (export "_routes") (call $say (i32.const 1072) (i32.const 11)))"#;
    refused(RouteOptions { module: program(unknown), ..options.clone() }, Code::NoProgram).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_are_no_programs_are_refused() {
    refused(route("/", Some("pip")), Code::NoProgram).await;
    let handler = link(&guest("http-hello-rust"), LinkOptions::default()).expect("links").wasm;
    refused(RouteOptions { module: handler, ..route("/", None) }, Code::NoProgram).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_written_for_the_command_line_answers() {
    let module = link(&guest("cli-rust"), LinkOptions { verify: true, ..LinkOptions::default() }).expect("links").wasm;
    let server = serve(vec![RouteOptions { module, ..route("/", None) }]).await;
    // It prints the number of its arguments and variables in two lines, which are fields, then its input in capitals.
    let (status, headers, body) =
        ask(server.addr, request("POST", "/?a=1&b=2", full("content-type: text/x\n\nhello\n"))).await;
    assert_eq!((status, field(&headers, "args"), body.as_str()), (200, "2", "HELLO\n"));
    assert_eq!(field(&headers, "content-type"), "TEXT/X");
    assert_eq!(ask(server.addr, request("POST", "/", full("fail"))).await.0, 500);
}

/// Prints a head and `ready`, then what it reads, by preview1.
const PREVIEW1: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "Content-Type: text/plain\n\nready\n")
  (data (i32.const 128) "page.txt")
  (func $say (param i32 i32)
    (i32.store (i32.const 0) (local.get 0))
    (i32.store (i32.const 4) (local.get 1))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $copy (param i32)
    (loop $next
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 4096))
      (br_if 1 (call $read (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then
          (call $say (i32.const 1024) (i32.load (i32.const 8)))
          (br $next)))))
  (func (export "_start")
    (call $say (i32.const 64) (i32.const 32))
    (call $copy (i32.const 0)))
  (func (export "file")
    (call $say (i32.const 64) (i32.const 26))
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 128) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 2)
          (i32.const 0) (i32.const 16))
      (then (call $exit (i32.const 1))))
    (call $copy (i32.load (i32.const 16)))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn preview1_commands_stream_on_both_engines() {
    for engine in [EngineKind::Wasmtime, EngineKind::Wasmi] {
        let module = wat::parse_str(PREVIEW1).expect("text");
        let server = serve(vec![RouteOptions { module, engine, ..route("/", None) }]).await;
        let (sender, body) = channel();
        sender.send("first").await.expect("room");
        let mut response = send(server.addr, request("POST", "/", body)).await;
        let mut read = async |wanted: &str| {
            let mut have = Vec::new();
            while have.len() < wanted.len() {
                have.extend_from_slice(&next(&mut response).await.expect("more").expect("no error"));
            }
            assert_eq!(String::from_utf8_lossy(&have), wanted, "{engine:?}");
        };
        read("ready\nfirst").await;
        sender.send("second").await.expect("the server reads");
        read("second").await;
        drop(sender);
        assert!(next(&mut response).await.is_none(), "a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_engine_gives_the_same_answers() {
    let routes = [route("/pipe/...", None), route("/env/...", Some("env"))];
    let server = serve(routes.map(|route| RouteOptions { engine: EngineKind::Wasmi, ..route }).into()).await;
    let head = "Status: 201\n\nbody";
    for (out, status) in [
        (head.to_owned(), 201),
        (TRAP.to_owned(), 500),
        (LOOP.to_owned(), 504),
        (EXIT_3.to_owned(), 500),
        (EXIT_0.to_owned(), 502),
        (format!("{head}{EXIT_3}"), 201),
        ("Location: /env/x\n\n".to_owned(), 200),
    ] {
        assert_eq!(output(&server, out.clone()).await.0, status, "{out:?}");
    }
    let head = "Content-Type: text/x\n\nbody";
    for (end, clean) in [(TRAP, false), (LOOP, false), (EXIT_3, true), ("more", true)] {
        assert_eq!(begun(&server, head, end).await, clean, "{end:?}");
    }
}

/// What `lowlift serve` is told to serve, and where it says that it does.
async fn command_line(folder: &std::path::Path, file: &str) -> (tokio::process::Child, SocketAddr) {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["serve", file, "--addr", "127.0.0.1:0"])
        .current_dir(folder)
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.expect("text") {
        if let Some((_, address)) = line.split_once(" on http://") {
            // What else it says must not make it wait.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, address.trim_end_matches('/').parse().expect("an address"));
        }
        said.push_str(&line);
    }
    panic!("it serves nothing: {said}");
}

/// A module of the release before preview1 is translated, as `lowlift run` does it: the host of preview1 would write
/// eight bytes more.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_snapshot_0_is_translated() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = r#"(module
      (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_unstable" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\10\00\00\00\1e\00\00\00")
      (data (i32.const 16) "Content-Type: text/plain\n\n....")
      (data (i32.const 312) "whole")
      (func (export "_start")
        (if (i32.eqz (call $stat (i32.const 1) (i32.const 256)))
          (then (i32.store (i32.const 42) (i32.load (i32.const 312)))))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    std::fs::write(folder.path().join("old.wat"), program).expect("writable");
    let routes = "[[route]]\nroute = \"/\"\nmodule = \"old.wat\"\nmode = \"cgi\"\n";
    std::fs::write(folder.path().join("lowlift.toml"), routes).expect("writable");
    let (_child, addr) = command_line(folder.path(), "lowlift.toml").await;
    let (status, _, body) = ask(addr, request("GET", "/", Empty::new().boxed())).await;
    assert_eq!((status, body.as_str()), (200, "whol"));
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_toml_is_served_with_paths_from_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join("app").join(name);
    std::fs::create_dir_all(path("site")).expect("writable");
    std::fs::write(path("site/page.txt"), "a page\n").expect("writable");
    std::fs::write(path("echo.wat"), PREVIEW1).expect("writable");
    std::fs::write(path("env.wasm"), program("")).expect("writable");
    let modules = r#"
        [[module]]
        route = "/echo/..."
        module = "echo.wat"
        [[module]]
        route = "/file"
        module = "file:echo.wat"
        entrypoint = "file"
        volumes = { "/data" = "site" }
        [[module]]
        route = "/denied"
        module = "echo.wat"
        entrypoint = "file"
        [[module]]
        route = "/..."
        module = "env.wasm"
        entrypoint = "env"
        argv = "x ${ARGS}"
        environment.MINE = "yes"
    "#;
    std::fs::write(path("modules.toml"), modules).expect("writable");
    let (_child, addr) = command_line(folder.path(), "app/modules.toml").await;
    let get = async |path: &str| {
        let (status, _, body) = ask(addr, request("GET", path, Empty::new().boxed())).await;
        (status, body)
    };
    assert_eq!(get("/healthz").await.0, 200);
    assert_eq!(get("/echo/any").await, (200, "ready\n".to_owned()));
    assert_eq!(get("/file").await, (200, "a page\n".to_owned()));
    assert_eq!(get("/denied").await, (200, String::new()), "the head was complete, and no directory is given");
    let (_, env) = get("/other?a=1").await;
    for line in ["arg x", "arg a=1", "MINE=yes", "X_MATCHED_ROUTE=/...", "PATH_INFO=/other"] {
        assert!(env.lines().any(|have| have == line), "{line} is not in\n{env}");
    }
}
