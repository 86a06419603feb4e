//! How instances live and end: each case counts them. Guests count their own requests: the first is answered with 201.

use crate::serve::{Running, empty, get, options, quick, request, send, start_with};
use lowlift::engine::{EngineKind, Limits};
use lowlift::host::Config;
use lowlift::serve::{Options, Policy, Retirement};
use std::sync::Arc;
use std::time::Duration;

/// A handler that answers with 200 and the number of requests that its instance has seen, having done `before`, and then
/// does `after`. In both, `$req` and `$n` are the request's handle and number.
pub(crate) fn counting(before: &str, after: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
        (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
        (import "wasi:http/types@0.2.0" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
        (import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $body (param i32 i32)))
        (import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $write (param i32 i32)))
        (import "wasi:http/types@0.2.0" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
        (import "wasi:http/types@0.2.0" "[resource-drop]incoming-request" (func $drop-request (param i32)))
        (import "wasi:http/types@0.2.0" "[method]incoming-request.headers" (func $headers (param i32) (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $blocking-write (param i32 i32 i32 i32)))
        (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $blocking-read (param i32 i64 i32)))
        (import "wasi:http/types@0.2.0" "[method]incoming-request.consume" (func $consume (param i32 i32)))
        (import "wasi:http/types@0.2.0" "[method]incoming-body.stream" (func $stream (param i32 i32)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
        (memory (export "memory") 2)
        (global $n (mut i32) (i32.const 0))
        (global $kept (mut i32) (i32.const 0))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
        (func (export "init") (global.set $n (i32.const 50)))
        (func $spin (param $turns i32)
            (loop (br_if 0 (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))))
        (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $req i32) (param $out i32)
            (local $response i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            {before}
            (local.set $response (call $response (call $fields)))
            (drop (call $status (local.get $response) (i32.add (i32.const 200) (global.get $n))))
            (call $set (local.get $out) (i32.const 0) (local.get $response)
                (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
            {after}))"#
    );
    wat::parse_str(text).expect("a module")
}

fn with(engine: EngineKind, module: &[u8], policy: Policy, change: impl FnOnce(&mut Options)) -> Options {
    let mut all = options(module, quick());
    all.routes[0].engine = engine;
    all.routes[0].policy = policy;
    change(&mut all);
    all
}

async fn start(engine: EngineKind, module: &[u8], policy: Policy) -> Running {
    start_with(with(engine, module, policy, |_| ())).await
}

fn reuse(max: u32) -> Policy {
    Policy { max, ..Policy::default() }
}

async fn statuses(server: &Running, n: usize) -> Vec<u16> {
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(get(server.addr, "/").await.0);
    }
    all
}

/// Instances retired for a reason; looked at until there are `wanted`, since some ends are only noticed after the answer.
async fn retired(server: &Running, reason: Retirement, wanted: u32) -> u32 {
    let counts = server.routes.instances()[0].clone();
    for _ in 0..200 {
        if counts.retired(reason) >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    counts.retired(reason)
}

const DROP: &str = "(call $drop-request (local.get $req))";

async fn fresh_is_an_instance_for_every_request(engine: EngineKind) {
    let server = start(engine, &counting("", ""), Policy::default()).await;
    assert_eq!(statuses(&server, 3).await, [201, 201, 201]);
    assert_eq!(retired(&server, Retirement::MaxCount, 3).await, 3);
    assert_eq!(server.routes.instances()[0].alive(), 0);
}

async fn a_reused_instance_serves_as_many_requests_as_it_may(engine: EngineKind) {
    let server = start(engine, &counting(DROP, ""), reuse(3)).await;
    assert_eq!(statuses(&server, 7).await, [201, 202, 203, 201, 202, 203, 201]);
    assert_eq!(retired(&server, Retirement::MaxCount, 2).await, 2);
    assert_eq!(server.routes.instances()[0].alive(), 1);
}

async fn jitter_lowers_the_count_within_its_bounds(engine: EngineKind) {
    let server = start(engine, &counting(DROP, ""), Policy { jitter: 50, ..reuse(10) }).await;
    let all = statuses(&server, 60).await;
    for pair in all.windows(2).filter(|pair| pair[1] == 201) {
        assert!((205..=210).contains(&pair[0]), "{all:?}");
    }
    assert!(all.iter().filter(|&&status| status == 201).count() >= 6, "{all:?}");
}

async fn an_instance_that_waits_too_long_is_retired(engine: EngineKind) {
    let server = start(engine, &counting(DROP, ""), Policy { idle: Duration::from_millis(1), ..reuse(100) }).await;
    assert_eq!(statuses(&server, 1).await, [201]);
    assert_eq!(retired(&server, Retirement::Idle, 1).await, 1);
    assert_eq!(statuses(&server, 1).await, [201]);
}

async fn a_guest_may_exit_after_its_response(engine: EngineKind) {
    let server = start(engine, &counting(DROP, "(call $exit (i32.const 0))"), reuse(100)).await;
    assert_eq!(statuses(&server, 2).await, [201, 201]);
    assert_eq!(retired(&server, Retirement::Exit, 2).await, 2);
    assert_eq!(retired(&server, Retirement::Trap, 0).await, 0);
}

async fn after_a_trap_nothing_is_reused(engine: EngineKind) {
    let second = "(if (i32.eq (global.get $n) (i32.const 2)) (then unreachable))";
    let server = start(engine, &counting(&format!("{DROP}{second}"), ""), reuse(100)).await;
    assert_eq!(statuses(&server, 4).await, [201, 500, 201, 500]);
    assert_eq!(retired(&server, Retirement::Trap, 2).await, 2);
}

async fn wall_time_and_cpu_time_end_a_request_each(engine: EngineKind) {
    let wait = format!("{DROP} (call $block (call $after (i64.const 60000000000)))");
    let server = start(engine, &counting(&wait, ""), reuse(100)).await;
    assert_eq!(statuses(&server, 1).await, [504]);
    assert_eq!(retired(&server, Retirement::Deadline, 1).await, 1);

    let options = with(engine, &counting("(loop (br 0))", ""), reuse(100), |o| {
        o.routes[0].limits = Limits { time: Duration::from_secs(600), cpu: Duration::from_millis(50), ..quick() };
    });
    let server = start_with(options).await;
    assert_eq!(statuses(&server, 1).await, [504]);
    assert_eq!(retired(&server, Retirement::Cpu, 1).await, 1);
}

/// What one request computes is not held against the next one of the same instance.
async fn every_request_has_its_own_time(engine: EngineKind) {
    let work = format!("{DROP} (call $block (call $after (i64.const 300000000)))");
    let options =
        with(engine, &counting(&work, ""), reuse(100), |o| o.routes[0].limits.time = Duration::from_millis(900));
    let server = start_with(options).await;
    assert_eq!(statuses(&server, 4).await, [201, 202, 203, 204]);
}

async fn an_instance_whose_memory_has_grown_is_not_kept(engine: EngineKind) {
    let grow = format!("{DROP} (drop (memory.grow (i32.const 8)))");
    let server = start(engine, &counting(&grow, ""), Policy { max_memory: 20 << 16, ..reuse(100) }).await;
    // 2 pages, then 10, 18, 26.
    assert_eq!(statuses(&server, 4).await, [201, 202, 203, 201]);
    assert_eq!(retired(&server, Retirement::Memory, 1).await, 1);
}

async fn an_instance_that_leaks_handles_is_not_kept(engine: EngineKind) {
    let leak = "(drop (call $fields)) (drop (call $fields))";
    let options = with(engine, &counting(leak, ""), reuse(100), |o| {
        o.routes[0].config = Config { handles: 40, ..Config::default() };
    });
    let server = start_with(options).await;
    // Two sets of fields and the request stay; above ten the instance goes.
    assert_eq!(statuses(&server, 6).await, [201, 202, 203, 204, 201, 202]);
    assert_eq!(retired(&server, Retirement::LeakedHandles, 1).await, 1);
}

async fn handles_of_a_request_end_with_it(engine: EngineKind) {
    // The first request's handle is kept; the second may drop it, and not look at it.
    let keep = "(if (i32.eq (global.get $n) (i32.const 1)) (then (global.set $kept (local.get $req))))";
    let look = "(if (i32.eq (global.get $n) (i32.const 2)) (then (drop (call $headers (global.get $kept)))))";
    let drop = "(if (i32.eq (global.get $n) (i32.const 2)) (then (call $drop-request (global.get $kept))))";
    let looks = start(engine, &counting(&format!("{keep}{look}"), ""), reuse(100)).await;
    assert_eq!(statuses(&looks, 2).await, [201, 500]);
    let drops = start(engine, &counting(&format!("{keep}{drop}"), ""), reuse(100)).await;
    assert_eq!(statuses(&drops, 3).await, [201, 202, 203]);
}

/// Answers with an open body, whose stream is at address 28.
pub(crate) const OPEN_BODY: &str = "(local.set $response (call $response (call $fields)))
    (call $body (local.get $response) (i32.const 16))
    (call $write (i32.load (i32.const 20)) (i32.const 24))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";

/// A body that is left open, with a stream on it, when `handle` returns: the client sees an aborted connection, and a
/// reused instance goes on.
async fn a_leaked_body_is_aborted_and_the_instance_goes_on(engine: EngineKind) {
    let text = |n: u32| {
        format!(
            "{OPEN_BODY}
             (call $blocking-write (i32.load (i32.const 28)) (i32.const 64) (i32.const {n}) (i32.const 32))
             (call $block (call $after (i64.const 1000000)))
             return"
        )
    };
    let leaks = format!("{DROP} (if (i32.eq (global.get $n) (i32.const 1)) (then {}))", text(5));
    let server = start(engine, &counting(&leaks, ""), reuse(100)).await;
    let response = send(server.addr, request("GET", "/", empty())).await.expect("a head");
    assert_eq!(response.status(), 200);
    use http_body_util::BodyExt;
    assert!(response.into_body().collect().await.is_err(), "the end is not clean");
    assert_eq!(statuses(&server, 2).await, [202, 203], "the same instance");

    let beyond = start(engine, &counting(&format!("{DROP} {}", text(4097)), ""), reuse(100)).await;
    let response = send(beyond.addr, request("GET", "/", empty())).await;
    let whole = match response {
        Ok(response) => response.status() == 200 && response.into_body().collect().await.is_ok(),
        Err(_) => false,
    };
    assert!(!whole, "a blocking write above 4096 bytes traps");
}

async fn eager_instances_wait_and_have_run_their_init(engine: EngineKind) {
    let server = start(engine, &counting(DROP, ""), Policy { min_warm: 2, ..Policy::default() }).await;
    let counts = server.routes.instances()[0].clone();
    assert_eq!(counts.alive(), 2);
    // `init` set the count to 50.
    assert_eq!(statuses(&server, 3).await, [251, 251, 251]);
    for _ in 0..200 {
        if counts.alive() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(counts.alive(), 2, "another one waits after each retirement");
}

async fn a_client_that_goes_away_takes_the_instance_with_it(engine: EngineKind) {
    let wait = format!("{DROP} (call $block (call $after (i64.const 60000000000)))");
    let options = with(engine, &counting(&wait, ""), reuse(100), |o| o.routes[0].limits.time = Duration::from_secs(60));
    let server = start_with(options).await;
    let addr = server.addr;
    let asked = tokio::spawn(async move { get(addr, "/").await });
    let counts = server.routes.instances()[0].clone();
    while counts.alive() == 0 {
        tokio::task::yield_now().await;
    }
    // The rehearsal may still be counted as alive for a moment; the request is under way after that.
    tokio::time::sleep(Duration::from_millis(200)).await;
    asked.abort();
    let _ = asked.await;
    // Aborting the task drops its connection.
    assert_eq!(retired(&server, Retirement::ClientGone, 1).await, 1);
}

async fn instances_end_with_the_server(engine: EngineKind) {
    let mut server = start(engine, &counting(DROP, ""), Policy { min_warm: 2, ..reuse(100) }).await;
    let counts: Arc<_> = server.routes.instances()[0].clone();
    server.stop.take().expect("not stopped").send(()).expect("serving");
    assert!((&mut server.done).await.expect("no panic"));
    assert_eq!(counts.alive(), 0);
    assert_eq!(counts.retired(Retirement::Shutdown), 2);
}

async fn routes_are_replaced_while_the_server_runs(engine: EngineKind) {
    let server = start(engine, &counting(DROP, ""), reuse(100)).await;
    assert_eq!(statuses(&server, 2).await, [201, 202]);
    let bad = with(engine, &wat::parse_str("(module)").expect("a module"), reuse(1), |_| ());
    assert!(server.routes.replace(bad.routes).await.is_err());
    assert_eq!(statuses(&server, 1).await, [203], "what was served before is served on");
    let new = with(engine, &counting(DROP, ""), reuse(100), |_| ());
    server.routes.replace(new.routes).await.expect("replaced");
    assert_eq!(statuses(&server, 2).await, [201, 202]);
}

/// Each case on each engine.
macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod wasmtime {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(super::EngineKind::Wasmtime).await;
            })*
        }

        mod wasmi {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(super::EngineKind::Wasmi).await;
            })*
        }
    };
}

on_both_engines! {
    fresh_is_an_instance_for_every_request
    a_reused_instance_serves_as_many_requests_as_it_may
    jitter_lowers_the_count_within_its_bounds
    an_instance_that_waits_too_long_is_retired
    a_guest_may_exit_after_its_response
    after_a_trap_nothing_is_reused
    wall_time_and_cpu_time_end_a_request_each
    every_request_has_its_own_time
    an_instance_whose_memory_has_grown_is_not_kept
    an_instance_that_leaks_handles_is_not_kept
    handles_of_a_request_end_with_it
    a_leaked_body_is_aborted_and_the_instance_goes_on
    eager_instances_wait_and_have_run_their_init
    a_client_that_goes_away_takes_the_instance_with_it
    instances_end_with_the_server
    routes_are_replaced_while_the_server_runs
}
