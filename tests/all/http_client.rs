//! Requests that guests send: what arrives, what comes back, and over which connections.

use crate::http_world::{
    call, channel, config, empty, full, interpreted_proxy, origin, proxy, send, tls_origin, told, told_in,
};
use crate::{guest, oracle};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Frame;
use lowlift::host::Config;
use lowlift::host::http::{ClientOptions, HttpClient, HttpPolicy};
use std::sync::Arc;

/// Allows the loopback network, where the servers of the tests are.
const LOOPBACK: &[&str] = &["localhost", "127.0.0.0/8"];

fn with_root(root: Vec<u8>) -> Config {
    config(LOOPBACK, ClientOptions { roots: vec![root], ..ClientOptions::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn outgoing_requests_go_as_under_a_component_runtime() {
    let origin = origin().await;
    let ours = proxy(config(&["*", "127.0.0.0/8"], ClientOptions::default())).await;
    let theirs = oracle::serve_sending(&guest("http-proxy-rust")).await.expect("the oracle serves");
    let closed = "http://127.0.0.1:1/";
    for (method, path, target, times) in [
        ("GET", "/fetch", origin.http("/hello"), ""),
        ("HEAD", "/fetch", origin.http("/hello"), ""),
        ("PURGE", "/fetch", origin.http("/headers?a=b#c"), ""),
        ("DELETE", "/fetch", origin.http(""), ""),
        ("GET", "/fetch", origin.http("/redirect"), ""),
        ("GET", "/fetch", origin.http("/missing"), ""),
        ("GET", "/fetch", closed.to_owned(), ""),
        ("GET", "/fetch", "http://name.invalid/".to_owned(), ""),
        ("GET", "/fetch", "ftp://127.0.0.1/".to_owned(), ""),
        ("GET", "/fetch", "http://127.0.0.1 /".to_owned(), ""),
        ("GET", "/fetch", origin.http("/slow?ms=60000"), "1000,50,1000"),
        ("POST", "/fetch", origin.http("/headers"), ""),
        ("POST", "/once", origin.http("/echo"), ""),
        ("POST", "/abort", origin.http("/sink"), ""),
        ("POST", "/length?announce=5&write=5", origin.http("/sink"), ""),
        ("POST", "/length?announce=9&write=5", origin.http("/sink"), ""),
        ("POST", "/give-up", origin.http("/slow?ms=60000"), ""),
        ("POST", "/give-up?after=head", origin.http("/stall"), ""),
        ("GET", "/many?n=20", origin.http("/hello"), ""),
        ("GET", "/forbidden", String::new(), ""),
    ] {
        let ask = async |addr| {
            let response = send(addr, call(method, path, &target, times, empty())).await;
            assert_eq!(response.status(), 200, "{method} {path} {target}");
            let body = response.into_body().collect().await.expect("a whole body").to_bytes();
            String::from_utf8(body.to_vec()).expect("text")
        };
        assert_eq!(ask(ours).await, ask(theirs).await, "{method} {path} {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_unless_it_is_allowed() {
    let origin = origin().await;
    let denied = "refused: HttpRequestDenied\n";
    let by_default = proxy(Config::default()).await;
    assert_eq!(told(by_default, "/fetch", &origin.http("/hello")).await, denied);
    for patterns in
        [&["*"][..], &["example.org"], &["https://127.0.0.1"], &["127.0.0.1:1"], &["127.0.0.2"], &["[::/0]"]]
    {
        let guest = proxy(config(patterns, ClientOptions::default())).await;
        assert_eq!(told(guest, "/fetch", &origin.http("/hello")).await, denied, "{patterns:?}");
    }
    assert_eq!(origin.accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_allowed_must_lead_to_an_address_that_is() {
    let origin = origin().await;
    let target = format!("http://localhost:{}/hello", origin.addr.port());
    let any = proxy(config(&["*"], ClientOptions::default())).await;
    assert_eq!(told(any, "/fetch", &target).await, "failed: DestinationIpProhibited\n");
    assert_eq!(origin.accepted(), 0);
    for patterns in [&["localhost"][..], &["*", "127.0.0.0/8"], &["http://localhost:*"]] {
        let guest = proxy(config(patterns, ClientOptions::default())).await;
        assert!(told(guest, "/fetch", &target).await.starts_with("status 200\n"), "{patterns:?}");
    }
    // A connection that another guest was allowed to make is none for this one.
    let client = Arc::new(HttpClient::default());
    let with = |patterns: &[&str]| Config {
        http: HttpPolicy::new(patterns.iter().map(|p| p.parse().expect("a pattern"))),
        client: client.clone(),
        ..Config::default()
    };
    let trusted = proxy(with(&["localhost"])).await;
    assert!(told(trusted, "/fetch", &target).await.starts_with("status 200\n"));
    let other = proxy(with(&["*"])).await;
    assert_eq!(told(other, "/fetch", &target).await, "failed: DestinationIpProhibited\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_shared_by_all_instances() {
    let origin = origin().await;
    let guest = proxy(config(LOOPBACK, ClientOptions::default())).await;
    for path in ["/hello", "/headers", "/missing", "/redirect"].repeat(5) {
        assert!(told(guest, "/fetch", &origin.http(path)).await.starts_with("status "), "{path}");
    }
    // A connection is free a moment after its answer was read, which the next request may be too early for.
    let shared = origin.accepted();
    assert!(shared <= 10, "{shared} connections for 20 requests");
    // A response that nobody reads to its end takes its connection along.
    assert_eq!(told(guest, "/give-up?after=head", &origin.http("/stall")).await, "gave up after 200\n");
    origin.a_body_breaks().await;
    assert!(told(guest, "/fetch", &origin.http("/hello")).await.starts_with("status 200\n"));
    assert!(origin.accepted() <= shared + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_checked_and_agrees_on_the_version() {
    let (two, root) = tls_origin("localhost", &["h2", "http/1.1"]).await;
    let unknown = proxy(config(LOOPBACK, ClientOptions::default())).await;
    assert_eq!(told(unknown, "/fetch", &two.https("/hello")).await, "failed: TlsCertificateError\n");
    let guest = proxy(with_root(root)).await;
    let answer = told(guest, "/fetch", &two.https("/headers")).await;
    let seen = format!("x-seen: GET https://localhost:{}/headers HTTP/2.0 host=", two.addr.port());
    assert!(answer.starts_with("status 200\n"), "{answer}");
    assert!(answer.contains(seen.trim_end_matches("host=")), "{answer}");
    // One connection carries all.
    let before = two.accepted();
    assert_eq!(told(guest, "/many?n=20", &two.https("/hello")).await, "20 status 200\n");
    assert_eq!(two.accepted(), before);

    let (one, root) = tls_origin("localhost", &["http/1.1"]).await;
    let guest = proxy(with_root(root)).await;
    let answer = told(guest, "/fetch", &one.https("/headers")).await;
    let seen = format!("x-seen: GET /headers HTTP/1.1 host=localhost:{}", one.addr.port());
    assert!(answer.contains(&seen), "{answer}");

    let (wrong, root) = tls_origin("other.test", &[]).await;
    let guest = proxy(with_root(root)).await;
    assert_eq!(told(guest, "/fetch", &wrong.https("/hello")).await, "failed: TlsCertificateError\n");
    let plain = origin().await;
    assert_eq!(told(guest, "/fetch", &plain.https("/hello")).await, "failed: TlsProtocolError\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_through_the_guest_chunk_by_chunk() {
    let plain = origin().await;
    let (tls, root) = tls_origin("localhost", &["h2"]).await;
    let guest = proxy(with_root(root)).await;
    for target in [plain.http("/echo"), tls.https("/echo")] {
        let (sender, body) = channel();
        let mut request = call("POST", "/forward", &target, "", body);
        request.headers_mut().insert("trailer", "x-sum".parse().expect("a value"));
        request.headers_mut().insert("te", "trailers".parse().expect("a value"));
        let sending = tokio::spawn(send(guest, request));
        sender.send(Ok(Frame::data(Bytes::from("first")))).await.expect("the guest reads");
        let mut response = sending.await.expect("no panic");
        assert_eq!(response.status(), 200);
        for (back, next) in [("first", Some("second")), ("second", Some("third")), ("third", None)] {
            let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
            assert_eq!(frame.into_data().expect("data"), back);
            if let Some(next) = next {
                sender.send(Ok(Frame::data(Bytes::from(next)))).await.expect("the guest reads");
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "42".parse().expect("a value"));
        sender.send(Ok(Frame::trailers(trailers))).await.expect("the guest reads");
        drop(sender);
        let frame = response.body_mut().frame().await.expect("trailers").expect("no error");
        assert_eq!(frame.into_trailers().expect("trailers")["x-sum"], "42", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_mebibytes_go_there_and_back() {
    let plain = origin().await;
    let (tls, root) = tls_origin("localhost", &["h2"]).await;
    let guest = proxy(with_root(root)).await;
    let bytes: Bytes = (0..10u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for target in [plain.http("/echo"), tls.https("/echo")] {
        let response = send(guest, call("POST", "/forward", &target, "", full(bytes.clone()))).await;
        let back = response.into_body().collect().await.expect("a whole body").to_bytes();
        assert!(back == bytes, "{target}: {} bytes came back", back.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_given_up_breaks_off_there_too() {
    let plain = origin().await;
    let (tls, root) = tls_origin("localhost", &["h2"]).await;
    let guest = proxy(with_root(root)).await;
    for (origin, target) in [(&plain, plain.http("/sink")), (&tls, tls.https("/sink"))] {
        assert_eq!(told(guest, "/abort", &target).await, "failed: HttpProtocolError\n", "{target}");
        let echo = target.replace("/sink", "/echo");
        let told = told(guest, "/abort?after=head", &echo).await;
        assert!(told.starts_with("status 200\n") && told.contains("trailers: "), "{target}: {told}");
        origin.a_body_breaks().await;
    }
    // More than was announced is an error at the write, and no message.
    let told = told_in(guest, "/length?announce=3&write=5", &plain.http("/sink"), "").await;
    let want = "not written: Some(\"HttpRequestBodySize(Some(5))\")\n\
                not finished: HttpRequestBodySize(Some(5))\nfailed: HttpProtocolError\n";
    assert_eq!(told, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_what_was_sent_for_it() {
    let origin = origin().await;
    let guest = proxy(config(LOOPBACK, ClientOptions::default())).await;
    let mut response = send(guest, call("GET", "/forward", &origin.http("/stall"), "", empty())).await;
    let first = response.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(first.into_data().expect("data"), "first");
    drop(response);
    // The test's server notices at the next write only; the guest gives up by its own time-out otherwise.
    let told = told_in(guest, "/fetch", &origin.http("/stall"), "1000,1000,50").await;
    assert!(told.contains("after 5 bytes: ConnectionReadTimeout\n5 bytes\ntrailers: ConnectionReadTimeout"), "{told}");
    origin.a_body_breaks().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interpreted_guests_send_requests_too() {
    let (tls, root) = tls_origin("localhost", &["h2"]).await;
    let guest = interpreted_proxy(with_root(root)).await;
    let bytes = Bytes::from(vec![b'x'; 300_000]);
    let response = send(guest, call("POST", "/forward", &tls.https("/echo"), "", full(bytes.clone()))).await;
    assert!(response.into_body().collect().await.expect("a whole body").to_bytes() == bytes);
    assert_eq!(told(guest, "/many?n=20", &tls.https("/hello")).await, "20 status 200\n");
    assert_eq!(told(guest, "/fetch", "http://10.0.0.1/").await, "refused: HttpRequestDenied\n");
}
