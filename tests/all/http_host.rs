//! Rules of wasi:http on the guest's side, with guests in a few lines.

use crate::http_world::{Body, empty, full, program, send, serve, serve_limited};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use lowlift::engine::{EngineKind, Limits, Program, Task};
use lowlift::host::http::{BodyError, BodySource, Exceeded, Fields, IncomingRequest, ResponseSlot};
use lowlift::host::{Config, State, Stdio};
use std::net::SocketAddr;
use std::sync::Arc;

/// A handler whose answer is the byte that `body` leaves on the stack: as the status, 200 and more.
fn handler(imports: &str, locals: &str, body: &str) -> Arc<dyn Program> {
    let text = format!(
        r#"(module {imports}
             (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
             (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
             (import "wasi:http/types@0.2.12" "[method]outgoing-response.set-status-code"
               (func $status (param i32 i32) (result i32)))
             (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
               (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
             (memory (export "memory") 1)
             (global $next (mut i32) (i32.const 4096))
             (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
               (global.get $next)
               (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
             (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
               (local $answer i32) (local $handle i32) (local $result i32) {locals}
               {body}
               (local.set $result)
               (local.set $answer (call $response (call $fields)))
               (drop (call $status (local.get $answer) (i32.add (i32.const 200) (local.get $result))))
               (call $set (local.get $out) (i32.const 0) (local.get $answer)
                 (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#
    );
    program(EngineKind::Wasmtime, &wat::parse_str(text).expect("text"))
}

fn import(name: &str, function: &str) -> String {
    let module = if name.contains("put-stream.") { "wasi:io/streams@0.2.12" } else { "wasi:http/types@0.2.12" };
    format!(r#"(import "{module}" "{name}" {function})"#)
}

async fn status(addr: SocketAddr, body: Body) -> (u16, String) {
    let request = Request::builder().method("POST").uri("/").header("host", "a.test").body(body).expect("a request");
    let response = send(addr, request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_children_where_that_is_enforced() {
    let imports = import("[method]incoming-request.headers", "(func $headers (param i32) (result i32))")
        + &import("[resource-drop]incoming-request", "(func $drop (param i32))")
        + &import("[resource-drop]fields", "(func $drop-fields (param i32))");
    let wrong = "(local.set $handle (call $headers (local.get $request)))
                 (call $drop (local.get $request)) (call $drop-fields (local.get $handle)) (i32.const 1)";
    let right = "(local.set $handle (call $headers (local.get $request)))
                 (call $drop-fields (local.get $handle)) (call $drop (local.get $request)) (i32.const 1)";
    for (body, strict, want) in [(wrong, false, 201), (wrong, true, 500), (right, false, 201), (right, true, 201)] {
        let addr = serve(handler(&imports, "", body), Config { strict, ..Config::default() }).await;
        let (have, text) = status(addr, empty()).await;
        assert_eq!(have, want, "{text}");
        assert!(have != 500 || text.contains("still has 1 child"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_outgoing_messages_are_children_too() {
    let imports = import("[method]outgoing-response.headers", "(func $headers (param i32) (result i32))")
        + &import("[constructor]outgoing-request", "(func $new-request (param i32) (result i32))")
        + &import("[method]outgoing-request.headers", "(func $request-headers (param i32) (result i32))")
        + &import("[resource-drop]outgoing-request", "(func $drop-request (param i32))")
        + &import("[resource-drop]outgoing-response", "(func $drop-response (param i32))");
    for body in [
        "(local.set $handle (call $response (call $fields))) (drop (call $headers (local.get $handle)))
         (call $drop-response (local.get $handle)) (i32.const 1)",
        "(local.set $handle (call $new-request (call $fields))) (drop (call $request-headers (local.get $handle)))
         (call $drop-request (local.get $handle)) (i32.const 1)",
    ] {
        for (strict, want) in [(false, 201), (true, 500)] {
            let addr = serve(handler(&imports, "", body), Config { strict, ..Config::default() }).await;
            assert_eq!(status(addr, empty()).await.0, want, "{body}");
        }
    }
}

/// Reads the request's body to its end; answers with 201 for a clean end, and with 210 and the case of `error-code` for a
/// failure.
fn reader() -> Arc<dyn Program> {
    let imports = import("[method]incoming-request.consume", "(func $consume (param i32 i32))")
        + &import("[method]incoming-body.stream", "(func $stream (param i32 i32))")
        + &import("[method]input-stream.blocking-read", "(func $read (param i32 i64 i32))")
        + &import("http-error-code", "(func $code (param i32 i32))");
    handler(
        &imports,
        "",
        "(call $consume (local.get $request) (i32.const 0))
         (call $stream (i32.load offset=4 (i32.const 0)) (i32.const 16))
         (local.set $handle (i32.load offset=20 (i32.const 0)))
         (loop $more
           (global.set $next (i32.const 4096))
           (call $read (local.get $handle) (i64.const 1000) (i32.const 32))
           (br_if $more (i32.eqz (i32.load8_u offset=32 (i32.const 0)))))
         (if (result i32) (i32.eqz (i32.load8_u offset=36 (i32.const 0)))
           (then
             (call $code (i32.load offset=40 (i32.const 0)) (i32.const 64))
             (i32.add (i32.const 10) (i32.load8_u offset=72 (i32.const 0))))
           (else (i32.const 1)))",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_above_its_limit_is_an_error_for_the_guest_and_a_flag_for_the_server() {
    for (size, limit, want) in
        [(5_000, None, 201), (5_000, Some(5_000), 201), (5_001, Some(5_000), 227), (1, Some(0), 227)]
    {
        let exceeded = Arc::new(std::sync::Mutex::new(Exceeded::default()));
        let addr = serve_limited(reader(), Config::default(), limit, exceeded.clone()).await;
        assert_eq!(status(addr, full(vec![b'x'; size])).await.0, want, "{size} of {limit:?}");
        assert_eq!(exceeded.lock().expect("no panic").is_set(), want == 227, "{size} of {limit:?}");
    }
    // An announced length is enough.
    let announced: lowlift::host::http::RequestBody = Box::pin(
        http_body_util::Full::new(Bytes::from_static(b"12345")).map_err(|never| -> BodyError { match never {} }),
    );
    assert!(BodySource::new(Some(announced)).limited(4).exceeded().is_set());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_body_above_its_limit_is_an_error_and_no_clean_end() {
    let imports = import("[method]outgoing-response.body", "(func $body (param i32 i32))")
        + &import("[method]outgoing-body.write", "(func $write (param i32 i32))")
        + &import("[method]output-stream.blocking-write-and-flush", "(func $put (param i32 i32 i32 i32))")
        + &import("http-error-code", "(func $code (param i32 i32))");
    // 200 and the case of `error-code`, or the bare 200 where the write went well.
    let body = "(local.set $handle (call $response (call $fields)))
        (call $body (local.get $handle) (i32.const 0))
        (call $write (i32.load offset=4 (i32.const 0)) (i32.const 16))
        (call $put (i32.load offset=20 (i32.const 0)) (i32.const 128) (i32.const 100) (i32.const 32))
        (if (result i32) (i32.load8_u offset=32 (i32.const 0))
          (then (call $code (i32.load offset=40 (i32.const 0)) (i32.const 64)) (i32.load8_u offset=72 (i32.const 0)))
          (else (i32.const 0)))";
    for (limit, want) in [(None, 200), (Some(100), 200), (Some(99), 228)] {
        let config = Config { max_response_body: limit, ..Config::default() };
        let addr = serve(handler(&imports, "", body), config).await;
        assert_eq!(status(addr, empty()).await.0, want, "{limit:?}");
    }
}

/// What a guest is told of a request is what the server gave: nothing is made up.
#[tokio::test(flavor = "multi_thread")]
async fn scheme_and_authority_are_those_of_the_transport() {
    let imports = import("[method]incoming-request.scheme", "(func $scheme (param i32 i32))")
        + &import("[method]incoming-request.authority", "(func $authority (param i32 i32))");
    // The case of `scheme`, and 10 where there is an authority.
    let body = "(call $scheme (local.get $request) (i32.const 0))
        (call $authority (local.get $request) (i32.const 32))
        (i32.add (i32.load8_u offset=4 (i32.const 0)) (i32.mul (i32.const 10) (i32.load8_u offset=32 (i32.const 0))))";
    let program = handler(&imports, "", body);
    for (https, authority, want) in
        [(false, None, 200), (true, None, 201), (false, Some("a.test"), 210), (true, Some("a.test:1"), 211)]
    {
        let slot = ResponseSlot::default();
        let mut instance = program.instance(State::new(Arc::default(), Stdio::logged(Arc::new(|_, _| {}))));
        let request = IncomingRequest {
            method: http::Method::GET,
            path: None,
            https,
            authority: authority.map(str::to_owned),
            headers: Fields::default(),
            body: None,
        };
        let request = instance.state().push_request(request).expect("room");
        let out = instance.state().push_outparam(slot.clone()).expect("room");
        let finished = instance.run(Task::new(Some(0), vec![request, out], &Limits::default())).await;
        assert_eq!(finished.outcome, Ok(None));
        let Some(lowlift::host::http::Answer::Response(response)) = slot.take() else { panic!("a response") };
        assert_eq!(response.status.as_u16(), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn informational_statuses_are_no_answers_and_fields_are_limited() {
    let set_status = |status: u32| {
        format!(
            "(local.set $handle (call $response (call $fields))) (call $status (local.get $handle) (i32.const {status}))"
        )
    };
    for (code, refused) in [(100, 1), (103, 1), (199, 1), (99, 1), (1000, 1), (65_736, 0), (200, 0), (599, 0), (999, 0)]
    {
        // 65,736 is 200 in the 16 bits of a status code; the rest is not looked at.
        let addr = serve(handler("", "", &set_status(code)), Config::default()).await;
        assert_eq!(status(addr, empty()).await.0, 200 + refused, "{code}");
    }
    let imports = import("[method]fields.append", "(func $append (param i32 i32 i32 i32 i32 i32))");
    let endless = r#"(local.set $handle (call $fields))
        (i32.store8 (i32.const 0) (i32.const 97))
        (loop $more
          (call $append (local.get $handle) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))
          (br $more))
        (i32.const 0)"#;
    let addr = serve(handler(&imports, "", endless), Config::default()).await;
    let (have, text) = status(addr, empty()).await;
    assert_eq!(have, 500);
    assert!(text.contains("header fields of more than 65536 bytes"), "{text}");
}
