//! Real guests, in C and Rust, on both engines.

use super::ENGINES;
use crate::guest;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Full};
use lowlift::engine::{EngineKind, Limits, LoadOptions, Program, Task, load_with};
use lowlift::host::http::{Answer, BodyError, BodySource, End, Fields, IncomingRequest, RequestBody, ResponseSlot};
use lowlift::host::io::{SharedSource, Sink, Source, StreamError};
use lowlift::host::{Config, State, Stdio, Trap};
use lowlift::link::{Options, link};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// Values by name, in order.
type Headers = BTreeMap<String, Vec<Vec<u8>>>;

/// What a client would see, and how the guest ended.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Status and headers; an error has its case.
    head: Option<Result<(u16, Headers), u32>>,
    body: Vec<u8>,
    /// Of a body that was finished, its trailers.
    end: Option<Option<Headers>>,
    outcome: Result<Option<u32>, Trap>,
    log: Vec<String>,
}

fn limits() -> Limits {
    Limits { time: Duration::from_secs(60), cpu: Duration::from_secs(60), memory: 32 << 20, ..Limits::default() }
}

fn load(engine: EngineKind, wasm: &[u8], export: &str) -> Box<dyn Program> {
    let options = LoadOptions { engine, limits: limits(), ..LoadOptions::default() };
    load_with(&options, wasm, &[export]).unwrap_or_else(|e| panic!("{engine:?}: {e} {:?}", e.cause))
}

fn linked(name: &str, target: &str) -> Vec<u8> {
    let target = lowlift::profile::Profile::built_in(target);
    link(&guest(name), Options { target, ..Options::default() }).expect("links").wasm
}

/// The name of the exported function of an interface, of whatever version.
fn export(wasm: &[u8], interface: &str) -> String {
    let survey = lowlift::adapt::survey(wasm).expect("valid");
    survey.exports.into_keys().find(|name| name.starts_with(interface)).expect("exported")
}

fn map(headers: &HeaderMap) -> Headers {
    let mut out = Headers::new();
    for (name, value) in headers {
        out.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
    }
    out
}

/// A body with trailers, or none.
fn body(size: usize) -> Option<RequestBody> {
    let trailers = HeaderMap::from_iter([("x-sum".parse().expect("a name"), "42".parse().expect("a value"))]);
    let body = Full::new(Bytes::from(vec![b'x'; size])).with_trailers(std::future::ready(Some(Ok(trailers))));
    (size > 0).then(|| {
        Box::pin(body.map_err(|never: std::convert::Infallible| -> BodyError { match never {} })) as RequestBody
    })
}

fn request(method: &Method, path: &str, size: usize) -> IncomingRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "example.test"), ("x-twice", "one"), ("x-twice", "two"), ("content-type", "text/x")]
    {
        headers.append(name, value.parse().expect("a value"));
    }
    IncomingRequest {
        method: method.clone(),
        path: Some(path.to_owned()),
        https: false,
        authority: Some("example.test".to_owned()),
        headers: Fields::incoming(&headers),
        body: Some(BodySource::new(body(size))),
    }
}

async fn ask(program: &dyn Program, method: &Method, path: &str, size: usize) -> Seen {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = log.clone();
    let stdio = Stdio::logged(Arc::new(move |_, line| lines.lock().expect("whole").push(line.to_owned())));
    let config = Config { env: vec![("GREETING".into(), "hello".into())], ..Config::default() };
    let mut instance = program.instance(State::new(Arc::new(config), stdio));
    let slot = ResponseSlot::default();
    let request = instance.state().push_request(request(method, path, size)).expect("room");
    let outparam = instance.state().push_outparam(slot.clone()).expect("room");
    let mut running = instance.run(Task::new(Some(0), vec![request, outparam], &limits()));
    let mut seen = Seen { head: None, body: Vec::new(), end: None, outcome: Ok(None), log: Vec::new() };
    let mut exchange = None;
    let finished = poll_fn(|cx| {
        loop {
            let polled = running.as_mut().poll(cx);
            match slot.take() {
                Some(Answer::Response(response)) => {
                    seen.head = Some(Ok((response.status.as_u16(), map(&response.headers.to_map()))));
                    exchange = Some(response.body);
                }
                Some(Answer::Error(case)) => seen.head = Some(Err(case)),
                None => {}
            }
            let before = seen.body.len();
            while let Some(chunk) = exchange.as_ref().and_then(lowlift::host::http::Exchange::take) {
                seen.body.extend_from_slice(&chunk);
            }
            // What was taken makes room for more.
            if polled.is_ready() || before == seen.body.len() {
                return polled;
            }
        }
    })
    .await;
    if let Some(End::Finished(trailers)) = exchange.map(|e| e.ended()) {
        seen.end = Some(trailers.as_ref().map(map));
    }
    seen.outcome = finished.outcome;
    seen.log = log.lock().expect("whole").clone();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn http_guests_answer_alike() {
    let requests = [
        (Method::GET, "/", 0),
        (Method::HEAD, "/headers?q=1", 0),
        (Method::GET, "/headers?q=1", 0),
        (Method::POST, "/echo", 0),
        (Method::POST, "/echo", 1),
        (Method::POST, "/echo", 300_000),
        (Method::GET, "/env", 0),
        (Method::GET, "/stderr", 0),
        (Method::GET, "/status?code=418", 0),
        (Method::GET, "/chunks?n=3", 0),
        (Method::GET, "/sleep?ms=20", 0),
        (Method::GET, "/grow", 0),
        (Method::GET, "/no-response", 0),
        (Method::GET, "/leak-body", 0),
        (Method::GET, "/error", 0),
        (Method::GET, "/trap", 0),
        (Method::GET, "/trap-late", 0),
        (Method::PATCH, "/nothing", 0),
    ];
    let mut traps = 0;
    for name in ["http-hello-c", "http-hello-rust", "http-echo-c", "http-echo-rust"] {
        for target in ["wasm2", "mvp"] {
            let wasm = linked(name, target);
            let export = export(&wasm, "wasi:http/incoming-handler");
            let programs = ENGINES.map(|engine| load(engine, &wasm, &export));
            for (method, path, size) in &requests {
                let [want, have] =
                    [ask(&*programs[0], method, path, *size).await, ask(&*programs[1], method, path, *size).await];
                assert_eq!(have, want, "{name} for {target}: {method} {path} {size}");
                traps += usize::from(have.outcome.is_err());
                if *path == "/echo" && name.starts_with("http-echo") {
                    assert_eq!(have.body.len(), *size, "{name}");
                }
            }
        }
    }
    assert!(traps >= 4, "{traps} traps: the Rust guest traps when it is asked to");
}

/// Standard input that comes in pieces.
struct Pieces(Vec<&'static str>);

impl Source for Pieces {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        let Some(first) = self.0.first_mut() else { return Err(StreamError::Closed) };
        let (now, rest) = first.split_at(most.min(first.len()));
        *first = rest;
        if rest.is_empty() {
            self.0.remove(0);
        }
        Ok(Bytes::from(now))
    }
}

/// Keeps what is written, and takes no more than a few bytes at a time.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Sink for Kept {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(100)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

async fn run_program(
    engine: EngineKind,
    wasm: &[u8],
    stdin: &[&'static str],
) -> (String, String, Result<Option<u32>, Trap>) {
    let stdin: SharedSource = Arc::new(Mutex::new(Pieces(stdin.to_vec())));
    let [stdout, stderr] = [Arc::new(Mutex::new(Kept::default())), Arc::new(Mutex::new(Kept::default()))];
    let stdio = Stdio {
        stdin: Some(stdin),
        stdout: Some(stdout.clone()),
        stderr: Some(stderr.clone()),
        ..Stdio::logged(Arc::new(|_, _| {}))
    };
    let args = ["program", "first", "ä"].map(str::to_owned).to_vec();
    let config = Config { args, env: vec![("A".into(), "ä".into())], ..Config::default() };
    let program = load(engine, wasm, &export(wasm, "wasi:cli/run"));
    let instance = program.instance(State::new(Arc::new(config), stdio));
    let finished = instance.run(Task::new(Some(0), Vec::new(), &limits())).await;
    let text = |kept: &Mutex<Kept>| String::from_utf8(kept.lock().expect("whole").0.clone()).expect("text");
    (text(&stdout), text(&stderr), finished.outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_print_and_exit_alike() {
    let wasm = linked("cli-rust", "wasm2");
    for (stdin, stdout, outcome) in [
        (&["one\n", "two\nthr", "ee\n"][..], "args: 2\nenv: 1\nONE\nTWO\nTHREE\n", Ok(Some(0))),
        (&[], "args: 2\nenv: 1\n", Ok(Some(0))),
        (&["fail"], "args: 2\nenv: 1\nFAIL", Err(Trap::Exit(1))),
    ] {
        for engine in ENGINES {
            let done = run_program(engine, &wasm, stdin).await;
            assert_eq!(done, (stdout.to_owned(), "done\n".to_owned(), outcome.clone()), "{engine:?}");
        }
    }
}
