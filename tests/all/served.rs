//! The server towards its clients: addresses, protocols, limits, stopping, and what can be watched.

use crate::guest;
use crate::lifecycle::{OPEN_BODY, counting};
use crate::serve::{Body, Running, ask, empty, full, get, options, quick, request, send, start_with};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lowlift::link::{Options as LinkOptions, link};
use lowlift::serve::{Listen, Options, Pattern, RequestLimits, Retirement, RouteOptions, Server, Tls};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WAIT: &str = "(call $block (call $after (i64.const 60000000000)))";

fn echo() -> Options {
    options(&link(&guest("http-echo-rust"), LinkOptions::default()).expect("links").wasm, quick())
}

fn hello() -> Options {
    options(&link(&guest("http-hello-rust"), LinkOptions::default()).expect("links").wasm, quick())
}

/// Sends bytes as they are, and reads until the server closes.
async fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn h2(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    requests: Vec<hyper::Request<Body>>,
) -> Vec<(u16, Vec<u8>)> {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let answers = requests.into_iter().map(|request| {
        let mut sender = sender.clone();
        tokio::spawn(async move {
            let response = sender.send_request(request).await.expect("an answer");
            let status = response.status().as_u16();
            (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
        })
    });
    let mut all = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        all.push(answer.await.expect("no panic"));
    }
    all
}

fn h2_request(method: &str, path: &str, body: Body) -> hyper::Request<Body> {
    let uri = format!("http://example.test{path}");
    hyper::Request::builder().method(method).uri(uri).body(body).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_served_with_many_streams_on_one_connection() {
    let server = start_with(echo()).await;
    let stream = TcpStream::connect(server.addr).await.expect("connects");
    let requests = (0..20).map(|n| h2_request("POST", "/echo", full(vec![b'x'; n * 5_000]))).collect();
    for (n, (status, body)) in h2(stream, requests).await.into_iter().enumerate() {
        assert_eq!((status, body.len()), (200, n * 5_000));
    }
}

struct Certificate {
    tls: Tls,
    client: Arc<rustls::ClientConfig>,
}

/// A certificate for `example.test` and a client that trusts it alone.
fn certificate(alpn: &[u8]) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["example.test".to_owned()]).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    let tls = Tls { cert: made.cert.pem().into_bytes(), key: made.signing_key.serialize_pem().into_bytes() };
    Certificate { tls, client: Arc::new(client) }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_with_either_version_of_http() {
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let Certificate { tls, client } = certificate(alpn);
        let server = start_with(Options { tls: Some(tls), ..echo() }).await;
        let stream = TcpStream::connect(server.addr).await.expect("connects");
        let name = "example.test".try_into().expect("a name");
        let stream = tokio_rustls::TlsConnector::from(client).connect(name, stream).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        let body = if alpn == b"h2" {
            let request = h2_request("GET", "/headers", empty());
            h2(stream, vec![request]).await.remove(0).1
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            let response = sender.send_request(request("GET", "/headers", empty())).await.expect("an answer");
            response.into_body().collect().await.expect("a body").to_bytes().to_vec()
        };
        let body = String::from_utf8(body).expect("text");
        assert!(body.contains("scheme: https\n") && body.contains("authority: example.test\n"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_be_used_are_refused() {
    let (a, b) = (certificate(b"h2").tls, certificate(b"h2").tls);
    for tls in [
        Tls { cert: a.cert.clone(), key: b.key },
        Tls { cert: b"no PEM".to_vec(), key: a.key.clone() },
        Tls { cert: a.cert, key: b"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n".to_vec() },
    ] {
        let error = Server::bind(Options { tls: Some(tls), ..hello() }).await.err().expect("refused");
        assert_eq!(error.code, lowlift::diagnostic::Code::TlsInvalid, "{error:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn unix_sockets_are_served_and_removed_and_stale_ones_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    // What a server leaves behind that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let mut options = hello();
    options.listen.push(Listen::Unix(path.clone()));
    let mut server = start_with(options.clone()).await;
    let stream = tokio::net::UnixStream::connect(&path).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let response = sender.send_request(request("GET", "/", empty())).await.expect("an answer");
    assert_eq!(response.status(), 200);
    options.listen.remove(0);
    let error = Server::bind(options).await.err().expect("a socket that is in use is not taken away");
    assert_eq!(error.code, lowlift::diagnostic::Code::CannotListen);
    drop(sender);
    server.stop.take().expect("not stopped").send(()).expect("serving");
    assert!((&mut server.done).await.expect("no panic"));
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_route_that_matches_answers() {
    let module = |status: u32| counting(&format!("(global.set $n (i32.const {status}))"), "");
    let route = |pattern: &str, status| RouteOptions {
        pattern: Pattern::parse(pattern).expect("a pattern"),
        ..RouteOptions::new(module(status))
    };
    let mut options = hello();
    options.routes = vec![route("/a", 1), route("/a/...", 2), route("/b/c/...", 3)];
    let server = start_with(options).await;
    for (path, status) in [
        ("/a", 201),
        ("/a?q=1", 201),
        ("/a/", 202),
        ("/a/b/c", 202),
        ("/ab", 404),
        ("/b/c", 203),
        ("/b/c/d", 203),
        ("/b", 404),
        ("/", 404),
    ] {
        assert_eq!(get(server.addr, path).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_answered_with_503_and_retry_after() {
    let mut options = options(&counting(WAIT, ""), quick());
    options.routes[0].limits.instances = 1;
    options.routes[0].limits.time = Duration::from_secs(3);
    options.routes[0].requests = RequestLimits { queue: 1, ..RequestLimits::default() };
    let server = start_with(options).await;
    let addr = server.addr;
    let asked: Vec<_> =
        (0..3).map(|_| tokio::spawn(async move { ask(addr, request("GET", "/", empty())).await })).collect();
    let (mut late, mut refused) = (0, 0);
    for answer in asked {
        let (status, headers, _, _) = answer.await.expect("no panic").expect("an answer");
        match status {
            504 => late += 1,
            503 => {
                refused += 1;
                assert_eq!(headers["retry-after"], ["1"]);
            }
            other => panic!("{other}"),
        }
    }
    // One runs, one waits for its place and runs then, one is turned away.
    assert_eq!((late, refused), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_both_directions() {
    let mut options = echo();
    options.routes[0].requests =
        RequestLimits { request_body: 1000, response_body: Some(2000), ..RequestLimits::default() };
    let server = start_with(options).await;
    let status = async |path: &str, body| ask(server.addr, request("POST", path, body)).await.map(|a| a.0);
    assert_eq!(status("/echo", full(vec![b'x'; 1000])).await.expect("an answer"), 200);
    assert_eq!(status("/echo", full(vec![b'x'; 1001])).await.expect("an answer"), 413);
    // 30 lines of more than 100 bytes in all are too many.
    let response = send(server.addr, request("GET", "/chunks?n=1000", empty())).await;
    let whole = match response {
        Ok(response) => response.status() == 200 && response.into_body().collect().await.is_ok(),
        Err(_) => false,
    };
    assert!(!whole, "a response beyond the limit is not ended cleanly");
}

/// A client that writes all of its request before it reads has its answer, though nobody reads what it writes.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_lost_with_the_body_that_nobody_read() {
    let mut options = echo();
    options.routes[0].requests.request_body = 1000;
    options.routes[0].pattern = Pattern::parse("/echo").expect("a pattern");
    let server = start_with(options).await;
    let piece = vec![b'x'; 1 << 20];
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
    for (path, field, piece, status) in [
        ("/echo", "Content-Length: 16777216", &piece, "413"),
        ("/nowhere", "Transfer-Encoding: chunked", &chunk, "404"),
        ("/nowhere", "Content-Length: 16777216", &piece, "404"),
    ] {
        let mut stream = TcpStream::connect(server.addr).await.expect("connects");
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        for _ in 0..16 {
            stream.write_all(piece).await.unwrap_or_else(|e| panic!("{path}, {field}: {e}"));
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap_or_else(|e| panic!("{path}, {field}: {e}"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}, {field}: {answer}");
    }
    // Whoever writes for ever is cut off.
    let mut stream = TcpStream::connect(server.addr).await.expect("connects");
    let head = "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut pieces = 0;
    while pieces < 1000 && stream.write_all(&piece).await.is_ok() {
        pieces += 1;
    }
    assert!(pieces < 200, "64 MiB are thrown away, and some more lie in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_is_served_and_requests_that_are_unsound_are_refused() {
    let server = start_with(hello()).await;
    let first_line = async |bytes: &[u8]| raw(server.addr, bytes).await.lines().next().unwrap_or_default().to_owned();
    assert!(raw(server.addr, b"GET / HTTP/1.0\r\n\r\n").await.ends_with("\r\n\r\nHello from Rust!\n"));
    let close = "connection: close\r\n\r\n";
    for bad in [
        format!("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n{close}"),
        format!("GET / HTTP/1.1\r\n{close}"),
        format!("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n{close}"),
        format!("GET / HTTP/1.1\r\nhost: a\r\nbad header: x\r\n{close}"),
        "\u{16}\u{3}\u{1}garbage\r\n\r\n".to_owned(),
    ] {
        let line = first_line(bad.as_bytes()).await;
        assert!(
            line.is_empty() || line.starts_with("HTTP/1.1 400 ") || line.starts_with("HTTP/1.0 400 "),
            "{bad:?}: {line}"
        );
    }
    assert_eq!(get(server.addr, "/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_wait_for_100_continue() {
    // It answers with as many more than 200 as the bytes that it read.
    let read = "(call $consume (local.get $req) (i32.const 16))
        (call $stream (i32.load (i32.const 20)) (i32.const 24))
        (call $blocking-read (i32.load (i32.const 28)) (i64.const 100) (i32.const 32))
        (global.set $n (i32.load (i32.const 40)))";
    let server = start_with(options(&counting(read, ""), quick())).await;
    let mut stream = TcpStream::connect(server.addr).await.expect("connects");
    let head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.expect("written");
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.expect("an interim answer");
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.expect("written");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 205 "), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off() {
    let endless = format!(
        "{OPEN_BODY} (loop (call $blocking-write (i32.load (i32.const 28)) (i32.const 64) (i32.const 4096) (i32.const 32)) (br 0))"
    );
    let mut options = options(&counting(&endless, ""), quick());
    options.head_time = Duration::from_millis(300);
    options.stall_time = Duration::from_millis(300);
    options.connections = 4;
    options.routes[0].limits.time = Duration::from_secs(60);
    let server = start_with(options).await;
    // Who says nothing, or only a part of what HTTP/2 begins with.
    assert_eq!(raw(server.addr, b"").await, "");
    assert_eq!(raw(server.addr, b"PRI * HT").await, "");
    // A head that never ends.
    assert!(!raw(server.addr, b"GET / HTTP/1.1\r\nhost: a\r\n").await.contains(" 200 "));
    // Readers that never read: the response is far longer than what the sockets hold.
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.addr).await.expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
        readers.push(stream);
    }
    let counts = server.routes.instances()[0].clone();
    // All places are taken until the server has had enough of the readers.
    let response = send(server.addr, request("GET", "/", empty())).await.expect("a head");
    assert_eq!(response.status(), 200);
    assert!(counts.retired(Retirement::ClientGone) >= 1);
    drop(readers);
}

async fn stop(mut server: Running) -> bool {
    server.stop.take().expect("not stopped").send(()).expect("serving");
    (&mut server.done).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_block_a_stop() {
    let server = start_with(Options { drain: Duration::from_secs(60), ..hello() }).await;
    let idle = TcpStream::connect(server.addr).await.expect("connects");
    let mut used = TcpStream::connect(server.addr).await.expect("connects");
    used.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    let mut head = [0; 15];
    used.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    assert!(stop(server).await, "nothing was in progress");
    drop((idle, used));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_at_its_deadline() {
    let mut options = options(&counting(WAIT, ""), quick());
    options.routes[0].limits.time = Duration::from_secs(600);
    options.drain = Duration::from_millis(200);
    let server = start_with(options).await;
    let mut stream = TcpStream::connect(server.addr).await.expect("connects");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    let counts = server.routes.instances()[0].clone();
    while counts.made.load(std::sync::atomic::Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!stop(server).await, "a request was cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_on_an_address_of_their_own() {
    let options = Options { admin: Some("127.0.0.1:0".parse().expect("an address")), healthz: true, ..hello() };
    let server = Server::bind(options).await.expect("binds");
    let (addr, admin) = (server.addr().expect("bound"), server.admin().expect("bound"));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = ended.await;
    }));
    for _ in 0..3 {
        assert_eq!(get(addr, "/").await.0, 200);
    }
    assert_eq!(get(addr, "/healthz").await.0, 200);
    assert_eq!(get(admin, "/healthz").await, (200, "OK\n".to_owned()));
    assert_eq!(get(admin, "/").await.0, 404);
    let (status, text) = get(admin, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "lowlift_requests_total{route=\"/...\",status=\"2xx\"} 3",
        "lowlift_requests_running{route=\"/...\"} 0",
        "lowlift_request_seconds_count{route=\"/...\"} 3",
        "lowlift_request_seconds_bucket{route=\"/...\",le=\"+Inf\"} 3",
        "lowlift_instances_retired_total{route=\"/...\",reason=\"max-count\"} 3",
        "lowlift_response_bytes_total{route=\"/...\"} 51",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing:\n{text}");
    }
    // Every sample belongs to a family that was announced with its kind.
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().expect("a name");
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        let announced = |name: &str| text.contains(&format!("# TYPE {name} "));
        assert!(announced(name) || announced(base), "{sample}");
    }
    end.send(()).expect("serving");
    assert!(serving.await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_passed_on_if_it_is_one() {
    let server = start_with(echo()).await;
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (value, passed) in [(valid, true), ("00-zz", false)] {
        let mut request = request("GET", "/headers", empty());
        request.headers_mut().insert("traceparent", value.parse().expect("a value"));
        let (_, _, body, _) = ask(server.addr, request).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&body).contains(value), passed);
    }
}
