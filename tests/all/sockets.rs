//! `wasi:sockets`, with a guest that prints what happens: here and under a component runtime, the same.

use crate::guest;
use bytes::Bytes;
use lowlift::engine::{EngineKind, Limits, Program, Task, load};
use lowlift::host::io::{Sink, StreamError};
use lowlift::host::{Config, NetPolicy, State, Stdio, Trap};
use lowlift::link::{Options, link};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::{Command, CommandPre};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

static PROGRAM: LazyLock<Box<dyn Program>> = LazyLock::new(|| {
    let options = Options { verify: true, ..Options::default() };
    let wasm = link(&guest("sockets-rust"), options).expect("links").wasm;
    let run = exports(&wasm).into_iter().find(|name| name.ends_with("#run")).expect("a command");
    load(EngineKind::Wasmtime, &wasm, &[&run], Limits { instances: 50, ..Limits::default() }).expect("loads")
});

fn exports(wasm: &[u8]) -> Vec<String> {
    let sections = wasmparser::Parser::new(0).parse_all(wasm).filter_map(|payload| match payload {
        Ok(wasmparser::Payload::ExportSection(section)) => Some(section),
        _ => None,
    });
    sections.flat_map(|section| section.into_iter().flatten().map(|export| export.name.to_owned())).collect()
}

/// Keeps what is written.
struct Kept(Vec<u8>);

impl Sink for Kept {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(1 << 16)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

fn policy(patterns: &[&str]) -> NetPolicy {
    NetPolicy { patterns: patterns.iter().map(|p| p.parse().expect("a pattern")).collect(), ..NetPolicy::default() }
}

/// What the guest printed on our host, and how it ended.
async fn ours(net: NetPolicy, args: &[&str]) -> (String, Result<Option<u32>, Trap>) {
    let args = std::iter::once("guest").chain(args.iter().copied()).map(str::to_owned).collect();
    let kept = Arc::new(Mutex::new(Kept(Vec::new())));
    let mut stdio = Stdio::logged(Arc::new(|_, line| eprintln!("{line}")));
    stdio.stdout = Some(kept.clone());
    let state = State::new(Arc::new(Config { args, net, ..Config::default() }), stdio);
    let task = Task::new(Some(0), Vec::new(), &Limits::default());
    let finished = PROGRAM.instance(state).run(task).await;
    let text = String::from_utf8(kept.lock().expect("not poisoned").0.clone()).expect("UTF-8");
    (text, finished.outcome)
}

/// The lines of a guest that came to its end.
async fn lines(net: NetPolicy, args: &[&str]) -> String {
    let (text, outcome) = ours(net, args).await;
    assert_eq!(outcome, Ok(Some(0)), "{args:?}: {text}");
    text
}

struct Ctx {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

static ORACLE: LazyLock<CommandPre<Ctx>> = LazyLock::new(|| {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, &guest("sockets-rust")).expect("a component");
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("links");
    CommandPre::new(linker.instantiate_pre(&component).expect("links")).expect("a command")
});

/// The same under a component runtime, where everything is allowed.
async fn theirs(args: &[&str]) -> (String, bool) {
    let args: Vec<&str> = std::iter::once("guest").chain(args.iter().copied()).collect();
    let stdout = MemoryOutputPipe::new(1 << 20);
    let mut wasi = WasiCtx::builder();
    wasi.args(&args).stdout(stdout.clone()).inherit_stderr().inherit_network();
    wasi.allow_ip_name_lookup(true).allow_tcp(true).allow_udp(true);
    let mut store = Store::new(ORACLE.engine(), Ctx { wasi: wasi.build(), table: ResourceTable::new() });
    let command: Command = ORACLE.instantiate_async(&mut store).await.expect("instantiates");
    let ended = command.wasi_cli_run().call_run(&mut store).await.is_ok_and(|result| result.is_ok());
    (String::from_utf8(stdout.contents().to_vec()).expect("UTF-8"), ended)
}

/// Runs on both hosts and compares.
async fn same(args: &[&str]) -> String {
    let have = lines(policy(&["*"]), args).await;
    let (want, ended) = theirs(args).await;
    assert!(ended, "the oracle: {want}");
    assert_eq!(have, want, "{args:?}");
    have
}

/// A server on loopback that handles each connection by itself.
async fn server<F: Future<Output = ()> + Send + 'static>(handle: fn(TcpStream) -> F) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    addr.to_string()
}

async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

async fn line(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with('\n') {
        text.push(stream.read_u8().await.expect("a line").into());
    }
    text.trim_end().to_owned()
}

/// A port that refuses.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound").to_string()
}

/// The error code of a line, as the guest prints it.
fn says(text: &str, line: &str, code: &str) -> bool {
    text.lines().any(|l| l.starts_with(&format!("{line}: ")) && l.contains(code))
}

#[test]
fn every_function_of_the_package_is_there() {
    let host = lowlift::host::wasi::wasi().expect("built in");
    let loaded = lowlift::wit::built_in("wasi:sockets", &lowlift::wit::Gates::default()).expect("built in");
    let mut table = lowlift::abi::Table::new(&loaded.resolve);
    let (mut found, mut interfaces) = (0, 0);
    for &id in loaded.packages.iter().flat_map(|&package| loaded.resolve.packages[package].interfaces.values()) {
        for function in table.interface_imports(id, lowlift::abi::Abi::default()).expect("laid out") {
            host.find(&function.name, Some(&function.core)).unwrap_or_else(|e| panic!("{}: {e:?}", function.name));
            found += 1;
        }
        interfaces += 1;
    }
    assert_eq!((interfaces, found), (7, 58));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allowed_by_default() {
    let text = lines(NetPolicy::default(), &["create"]).await;
    assert_eq!(text.matches("access-denied").count(), 6, "{text}");
    for command in ["connect", "listen", "bind", "datagram"] {
        let text = lines(NetPolicy::default(), &[command, "127.0.0.1:9"]).await;
        assert!(says(&text, command, "access-denied"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_pattern_names_is_allowed() {
    let listening = server(echo).await;
    let port = listening.rsplit(':').next().expect("a port");
    let connect = |pattern: String| {
        let listening = listening.clone();
        async move { lines(policy(&[&pattern]), &["connect", &listening]).await }
    };
    assert!(says(&connect(listening.clone()).await, "connect", "Ok"));
    assert!(says(&connect(format!("connect:127.0.0.0/8:{port}")).await, "connect", "Ok"));
    for pattern in ["listen:*", "127.0.0.1:1", "127.0.0.2", "localhost", "10.0.0.0/8", "[::1]"] {
        assert!(says(&connect(pattern.to_owned()).await, "connect", "access-denied"), "{pattern}");
    }
    let link_local = lines(policy(&["*"]), &["connect", "169.254.169.254:80"]).await;
    assert!(says(&link_local, "connect", "access-denied"), "{link_local}");
    let mapped = lines(policy(&["*"]), &["connect", "[::ffff:127.0.0.1]:80"]).await;
    assert!(says(&mapped, "connect", "invalid-argument"), "{mapped}");

    for (pattern, addr, code) in [
        ("listen:127.0.0.1", "127.0.0.1:0", "Ok"),
        ("listen:127.0.0.1", "0.0.0.0:0", "access-denied"),
        ("connect:*", "127.0.0.1:0", "access-denied"),
        ("listen:127.0.0.1:1", "127.0.0.1:0", "access-denied"),
        ("listen:127.0.0.1:1", "127.0.0.1:2", "access-denied"),
        ("listen:0.0.0.0", "0.0.0.0:0", "Ok"),
    ] {
        let text = lines(policy(&[pattern]), &["listen", addr]).await;
        assert!(says(&text, "listen", code), "{pattern}, {addr}: {text}");
    }
    let text = lines(policy(&["connect:*"]), &["bind", "127.0.0.1:9"]).await;
    assert!(says(&text, "bind", "access-denied"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_allowed_and_what_it_stands_for() {
    let listening = server(echo).await;
    let port = listening.rsplit(':').next().expect("a port");
    let visit = ["visit", "localhost", port];
    assert!(says(&lines(policy(&[&format!("localhost:{port}")]), &visit).await, "connect", "Ok"));
    assert!(says(&lines(policy(&["LOCALHOST."]), &visit).await, "connect", "Ok"));
    assert!(says(&lines(policy(&["localhost:1"]), &visit).await, "connect", "access-denied"));
    for pattern in ["127.0.0.1", "*.localhost", "listen:*"] {
        assert!(says(&lines(policy(&[pattern]), &visit).await, "lookup", "access-denied"), "{pattern}");
    }
    // A literal is read and grants nothing.
    let literal = lines(policy(&["localhost"]), &["visit", "127.0.0.1", port]).await;
    assert!(says(&literal, "connect", "access-denied"), "{literal}");
    for number in ["127.1", "2130706433", "0x7f000001", "a b", ""] {
        let text = lines(policy(&["*"]), &["lookup", number]).await;
        assert!(says(&text, "lookup", "invalid-argument"), "{number}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_give_the_same_addresses() {
    assert!(same(&["lookup", "localhost"]).await.contains("127.0.0.1"));
    same(&["lookup", "127.0.0.1"]).await;
    same(&["lookup", "::1"]).await;
    same(&["lookup", "[::1]"]).await;
    assert!(says(&same(&["lookup", "a b"]).await, "lookup", "invalid-argument"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_tcp() {
    let addr = server(echo).await;
    assert!(same(&["echo", &addr]).await.contains("hello"));
    assert!(same(&["bulk", &addr, "3000000"]).await.contains("(3000000, 3000000)"));
    assert!(says(&same(&["connect", &closed_port()]).await, "connect", "connection-refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_arrives_while_the_guest_only_reads() {
    async fn count(mut stream: TcpStream) {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("reads");
        stream.write_all(all.len().to_string().as_bytes()).await.expect("writes");
    }
    let addr = server(count).await;
    assert!(same(&["stuff", &addr, "20000000"]).await.contains("20000000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_resets() {
    async fn reset(mut stream: TcpStream) {
        stream.read_exact(&mut [0; 2]).await.expect("reads");
        stream.set_zero_linger().expect("sets");
    }
    let addr = server(reset).await;
    assert!(same(&["reset", &addr]).await.contains("failed after 0 bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn directions_are_shut_down() {
    async fn hello(mut stream: TcpStream) {
        stream.write_all(b"hello").await.expect("writes");
        stream.shutdown().await.expect("shuts down");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    same(&["shutdown", &server(hello).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_tcp() {
    async fn ask(mut control: TcpStream) {
        let addr = format!("127.0.0.1:{}", line(&mut control).await);
        for text in ["first", "second"] {
            let mut stream = TcpStream::connect(&addr).await.expect("connects");
            stream.write_all(text.as_bytes()).await.expect("writes");
            stream.shutdown().await.expect("shuts down");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("reads");
            assert_eq!(answer, text.to_uppercase());
        }
    }
    let text = same(&["accept", &server(ask).await]).await;
    assert_eq!(text.matches("to itself: true").count(), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_both_ways() {
    async fn ask(mut control: TcpStream) {
        let addr = format!("127.0.0.1:{}", line(&mut control).await);
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        socket.send_to(b"question", addr).await.expect("sends");
        let mut answer = [0; 100];
        let (length, _) = socket.recv_from(&mut answer).await.expect("receives");
        assert_eq!(&answer[..length], b"QUESTION");
        // Keeps the socket until the guest has ended.
        let _ = control.read(&mut [0]).await;
    }
    let control = server(ask).await;
    same(&["serve", &control]).await;
    // Who may listen may answer who asked, and nobody else.
    let text = lines(policy(&["listen:127.0.0.1", &format!("connect:{control}")]), &["serve", &control]).await;
    assert!(text.contains("answered: Ok(1)"), "{text}");

    let echo = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let addr = echo.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        while let Ok((length, from)) = echo.recv_from(&mut buffer).await {
            // Whoever is not named in a pattern is not heard, unless the guest may listen.
            let to: SocketAddr = ([127, 0, 0, 1], from.port()).into();
            if buffer[..length] == *b"ping" {
                let _ = stranger.send_to(b"stranger", to).await;
                let _ = echo.send_to(b"pong", from).await;
            }
        }
    });
    let text = lines(policy(&[&format!("connect:{addr}")]), &["datagram", &addr]).await;
    assert!(text.contains("pong"), "{text}");
    let text = lines(policy(&["connect:127.0.0.1:1"]), &["datagram", &addr]).await;
    assert!(says(&text, "datagram", "access-denied"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_with_and_without_a_peer() {
    let text = same(&["peers"]).await;
    assert!(text.contains("filtered: Ok((9000, true))") && says(&text, "too large", "datagram-too-large"), "{text}");
    let text = lines(policy(&["127.0.0.1"]), &["reassociate"]).await;
    assert!(text.contains("same address: true") && text.contains("many: Ok(2)"), "{text}");
    assert!(text.contains("second: Ok(1)") && text.contains("no more: Ok(0)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_options() {
    assert!(same(&["tcp-states"]).await.contains("concurrency-conflict"));
    assert!(same(&["udp-states"]).await.contains("concurrency-conflict"));
    assert!(same(&["options"]).await.contains("inherited: (Ok(42), Ok(true), Ok(3))"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_traps() {
    let addr = server(echo).await;
    for (command, message) in [
        ("drop-socket", "child resources"),
        ("stream-twice", "not dropped yet"),
        ("send-unasked", "check-send"),
        ("send-too-many", "check-send"),
    ] {
        let (text, outcome) = ours(policy(&["*"]), &[command, &addr]).await;
        assert!(matches!(&outcome, Err(Trap::Guest(why)) if why.contains(message)), "{command}: {outcome:?}");
        assert!(!text.contains("done") && !theirs(&[command, &addr]).await.1, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_has_only_so_many_sockets() {
    let net = NetPolicy { sockets: 5, ..policy(&["127.0.0.1"]) };
    let text = lines(net, &["flood", "100"]).await;
    assert!(text.contains("(5, Some(") && says(&text, "flood", "new-socket-limit"), "{text}");
    assert!(text.contains("one less: Ok(())"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_for_ever_meets_its_deadline() {
    async fn silent(stream: TcpStream) {
        let _ = stream.readable().await;
        std::future::pending::<()>().await;
    }
    let addr = server(silent).await;
    let limits = Limits { time: Duration::from_millis(200), ..Limits::default() };
    let args = ["guest", "reset", &addr].map(str::to_owned).to_vec();
    let config = Config { args, net: policy(&["127.0.0.1"]), ..Config::default() };
    let state = State::new(Arc::new(config), Stdio::logged(Arc::new(|_, _| {})));
    let finished = PROGRAM.instance(state).run(Task::new(Some(0), Vec::new(), &limits)).await;
    assert_eq!(finished.outcome, Err(Trap::Deadline));
}
