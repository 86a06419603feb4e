//! Outgoing requests that fail: time-outs, limits, and servers that speak badly, each with its own code.

use crate::http_world::{call, config, empty, origin, proxy, send, tls_origin, told, told_in};
use http_body_util::BodyExt;
use lowlift::host::http::ClientOptions;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LOOPBACK: &[&str] = &["localhost", "127.0.0.0/8"];

/// A server that answers whatever comes with these bytes and closes.
async fn saying(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                // Read on, so that no reset overtakes what was written.
                while stream.read(&mut head).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_speak_badly_are_told_apart() {
    let guest = proxy(config(LOOPBACK, ClientOptions::default())).await;
    let head = "HTTP/1.1 200 OK\r\n";
    let large = format!("{head}x-large: {}\r\n\r\n", "x".repeat(100_000));
    for (bytes, want) in [
        (String::new(), "failed: HttpResponseIncomplete\n"),
        ("HTTP/1.1 200".to_owned(), "failed: HttpResponseIncomplete\n"),
        ("no HTTP at all\r\n\r\n".to_owned(), "failed: HttpProtocolError\n"),
        (large, "failed: HttpResponseHeaderSectionSize\n"),
        (
            format!("{head}content-length: 9\r\n\r\n12345"),
            "status 200\ncontent-length: 9\nafter 5 bytes: HttpResponseIncomplete\n5 bytes\n\
             trailers: HttpResponseIncomplete\n",
        ),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n"),
            "status 200\nafter 5 bytes: HttpResponseIncomplete\n5 bytes\ntrailers: HttpResponseIncomplete\n",
        ),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\nfive\r\n12345\r\n0\r\n\r\n"),
            "status 200\nafter 5 bytes: HttpResponseTransferCoding\n5 bytes\ntrailers: HttpResponseTransferCoding\n",
        ),
    ] {
        let addr = saying(bytes.clone().into_bytes()).await;
        assert_eq!(told(guest, "/fetch", &format!("http://{addr}/")).await, want, "{:.60}", bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_closed_is_replaced() {
    // It does not say that it closes.
    let addr = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let guest = proxy(config(LOOPBACK, ClientOptions::default())).await;
    for _ in 0..20 {
        let answer = told(guest, "/fetch", &format!("http://{addr}/")).await;
        assert!(answer.starts_with("status 200\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stage_has_its_time_out() {
    let guest = proxy(config(LOOPBACK, ClientOptions::default())).await;
    let origin = origin().await;
    let slow = origin.http("/slow?ms=60000");
    assert_eq!(told_in(guest, "/fetch", &slow, "10000,50,10000").await, "failed: ConnectionReadTimeout\n");
    let stalled = told_in(guest, "/fetch", &origin.http("/stall"), "10000,10000,50").await;
    assert!(stalled.ends_with("after 5 bytes: ConnectionReadTimeout\n5 bytes\ntrailers: ConnectionReadTimeout\n"));
    // It accepts, and never shakes hands.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("https://{}/", silent.local_addr().expect("bound"));
    assert_eq!(told_in(guest, "/fetch", &target, "50,10000,10000").await, "failed: ConnectionTimeout\n");
    // What is quick enough is not disturbed.
    assert!(told_in(guest, "/fetch", &origin.http("/hello"), "10000,10000,10000").await.starts_with("status 200\n"));
    assert_eq!(told(guest, "/fetch", "http://127.0.0.1:1/").await, "failed: ConnectionRefused\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_connections_are_limited() {
    let origin = origin().await;
    let guest = proxy(config(LOOPBACK, ClientOptions { per_instance: 10, ..ClientOptions::default() })).await;
    let answer = told(guest, "/many?n=15", &origin.http("/slow?ms=50")).await;
    assert_eq!(answer, "5 refused: ConnectionLimitReached\n10 status 200\n");

    let (two, root) = tls_origin("localhost", &["h2"]).await;
    let options = ClientOptions { connections: 2, roots: vec![root], ..ClientOptions::default() };
    let guest = proxy(config(LOOPBACK, options)).await;
    let other = crate::http_world::origin().await;
    assert_eq!(told(guest, "/many?n=30", &other.http("/hello")).await, "30 status 200\n");
    assert!(other.most_open() <= 2, "{} connections", other.most_open());
    // Idle connections make room for those to other servers.
    assert_eq!(told(guest, "/many?n=30", &two.https("/hello")).await, "30 status 200\n");
    let late = told_in(guest, "/many?n=3", &other.http("/slow?ms=1000"), "100,10000,10000").await;
    assert_eq!(late, "1 failed: ConnectionLimitReached\n2 status 200\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_are_none_are_refused() {
    let guest = proxy(config(&["*", "0.0.0.0/0"], ClientOptions::default())).await;
    for (target, want) in [
        ("http://user@127.0.0.1/", "refused: HttpRequestUriInvalid\n"),
        ("http://127.1/", "refused: HttpRequestUriInvalid\n"),
        ("http://0x7f000001/", "refused: HttpRequestUriInvalid\n"),
        ("http://127.0.0.1:0/", "refused: HttpRequestUriInvalid\n"),
        ("http://127.0.0.1:99999/", "refused: HttpRequestUriInvalid\n"),
        ("http://:80/", "refused: HttpRequestUriInvalid\n"),
        ("http://a..b/", "refused: HttpRequestUriInvalid\n"),
        ("ftp://a.test/", "refused: HttpProtocolError\n"),
    ] {
        assert_eq!(told(guest, "/fetch", target).await, want, "{target}");
    }
    let mut tunnel = call("GET", "/fetch", "http://127.0.0.1/", "", empty());
    tunnel.headers_mut().insert("x-connect", "1".parse().expect("a value"));
    let answer = send(guest, tunnel).await.into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(answer, "refused: HttpRequestMethodInvalid\n");
}
