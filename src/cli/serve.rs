//! `lowlift serve`: answer HTTP with a component or core module.

use super::cache::CacheArgs;
use super::grants::Grants;
use super::watch::{LOOK, stamps};
use super::{Outcome, Run, Shared, io, site};
use crate::adapt::FileKind;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::{EngineKind, Limits};
use crate::host::Config;
use crate::serve::{Listen, Options, Policy, RequestLimits, RouteOptions, Routes, Server, Tls, duration, size};
use indicatif::{ProgressBar, ProgressStyle};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const EXAMPLES: &str = "\
Examples:
  lowlift serve app.wasm
  lowlift serve app.wasm --addr 127.0.0.1:0 --timeout 5s --env GREETING=hello
  lowlift serve app.wasm --reuse 128 --admin 127.0.0.1:9090 --access-log json
  lowlift serve lowlift.toml --watch";

/// Serve wasi:http on a core-only engine, each request on a fresh instance unless told otherwise.
///
/// Takes a component (lowered on the fly), a core module, or a configuration with many routes. Guests see no files, no
/// network and no environment but what they are given.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component or core module that exports `wasi:http/incoming-handler`, or a configuration; without one,
    /// `lowlift.toml` of this folder.
    #[arg(value_name = "MODULE|FILE.toml")]
    input: Option<PathBuf>,
    /// Where to listen: `ADDRESS:PORT` or `unix:PATH`. May be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_parser = Listen::parse)]
    addr: Vec<Listen>,
    /// A certificate chain in PEM; with it, TCP addresses speak TLS, HTTP/2 and HTTP/1.1.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where `/metrics` and `/healthz` are.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// Connections at the same time; more wait to be accepted [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: Option<u32>,
    /// How long a stop waits for requests in progress [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    drain: Option<Duration>,
    /// Write a line for each request to standard error.
    #[arg(long, value_enum, default_value_t = AccessLog::Off)]
    access_log: AccessLog,
    /// Serve anew when the configuration or a module changes.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    single: Single,
    #[command(flatten)]
    cache: CacheArgs,
}

/// What a configuration says for each route.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "For one module")]
struct Single {
    /// The engine.
    #[arg(long, value_parser = engine, default_value = "wasmtime")]
    engine: EngineKind,
    /// Requests that one instance serves before it is replaced.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    reuse: u32,
    /// How long a reused instance may wait for its next request.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    idle: Duration,
    /// Instances that wait ready for requests.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    eager: u32,
    /// Wall time of a request, such as `500ms` or `30s`; beyond it the client gets 504.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// CPU time of a request [default: its wall time]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    cpu_time: Option<Duration>,
    /// Fuel of a request, about one unit for an instruction; unlike time, it does not depend on the machine
    /// [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// Memory of a request in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    max_memory: u64,
    /// Requests that run at the same time; more wait.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_instances: u32,
    /// Requests that wait; more are answered with 503.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    queue: u32,
    /// Bytes of a request's body, such as `64MiB`; more are answered with 413.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    max_body: u64,
    #[command(flatten)]
    grants: Grants,
}

/// Forms of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AccessLog {
    /// None.
    Off,
    /// For people.
    Text,
    /// An object a line; other messages too.
    Json,
}

/// Where a server listens that is not told where.
const ADDRESS: &str = "127.0.0.1:8080";

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    log_to_stderr(shared, args.access_log);
    runtime()?.block_on(async {
        let (mut options, files) = read(args, shared)?;
        complete(&mut options, args)?;
        let name = files.first().map_or_else(String::new, |f| f.display().to_string());
        let size = options.routes.iter().map(|route| route.module.len()).sum();
        let spinner = Spinner::start(shared, format!("compiling {}", io::size(size)));
        let server = Server::bind(options).await;
        drop(spinner);
        let server = server?;
        for listen in server.listening().map_err(|e| no_address(&e))? {
            shared.note(format!("serving {name} on {}", url(&listen, args.tls_cert.is_some())));
        }
        if let Some(admin) = server.admin() {
            shared.note(format!("metrics on http://{admin}/metrics"));
        }
        let watcher = args.watch.then(|| {
            let (routes, args, shared) = (server.routes(), args.clone(), shared.clone());
            tokio::spawn(async move { watch(&routes, &args, &shared, files).await })
        });
        let drained = server.run(stopped()).await;
        if let Some(watcher) = watcher {
            watcher.abort();
        }
        shared.note(if drained { "stopped" } else { "stopped; some requests were cut off" });
        Ok(Outcome::Fine)
    })
}

/// Reads what to serve, and says which files that is; the first is the one that was named.
fn read(args: &Args, shared: &Shared) -> Result<(Options, Vec<PathBuf>)> {
    let input = args.input.clone().unwrap_or_else(|| PathBuf::from("lowlift.toml"));
    if input.extension().is_some_and(|e| e == "toml") {
        return site::read(&input, shared);
    }
    let (read, kind) = io::read_wasm(Some(&input))?;
    let module = lowered(&read, kind, shared)?;
    let single = &args.single;
    let limits = Limits {
        memory: usize::try_from(single.max_memory << 20).unwrap_or(usize::MAX),
        time: single.timeout,
        cpu: single.cpu_time.unwrap_or(single.timeout),
        fuel: single.fuel,
        instances: single.max_instances,
        ..Limits::default()
    };
    let policy = Policy { max: single.reuse, idle: single.idle, min_warm: single.eager, ..Policy::default() };
    let requests = RequestLimits { request_body: single.max_body, queue: single.queue, ..RequestLimits::default() };
    let config = Config { args: vec!["app".to_owned()], ..single.grants.config()? };
    let engine = single.engine;
    let name = read.name;
    let route = RouteOptions { name, engine, policy, limits, requests, config, ..RouteOptions::new(module) };
    Ok((Options::new(vec![route]), vec![input]))
}

/// What the command line says goes before what the configuration says.
fn complete(options: &mut Options, args: &Args) -> Result<()> {
    if !args.addr.is_empty() {
        options.listen.clone_from(&args.addr);
    }
    if options.listen.is_empty() {
        options.listen = Listen::parse(ADDRESS).into_iter().collect();
    }
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        options.tls = Some(tls(cert, key)?);
    }
    options.cache = args.cache.cache();
    options.admin = args.admin.or(options.admin);
    options.drain = args.drain.unwrap_or(options.drain);
    if let Some(connections) = args.max_connections {
        options.connections = connections as usize;
    }
    Ok(())
}

/// Reads certificate and key.
pub(super) fn tls(cert: &Path, key: &Path) -> Result<Tls> {
    Ok(Tls { cert: io::read(Some(cert))?.bytes, key: io::read(Some(key))?.bytes })
}

/// Replaces the routes when a file changes. A new state that cannot be served is told of, and the old one stays.
async fn watch(routes: &Routes, args: &Args, shared: &Shared, mut files: Vec<PathBuf>) {
    let mut seen = stamps(&files);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = stamps(&files);
        if now == seen {
            continue;
        }
        seen = now;
        // Whoever writes a file in parts has a moment to end.
        tokio::time::sleep(LOOK).await;
        let replaced = match read(args, shared) {
            Ok((options, named)) => {
                files = named;
                seen = stamps(&files);
                routes.replace(options.routes).await
            }
            Err(e) => Err(e),
        };
        match replaced {
            Ok(()) => shared.note("served anew"),
            Err(e) => {
                shared.say(&e);
                shared.note("what was served before is served on");
            }
        }
    }
}

/// The core module to serve: a component is linked first, a module of snapshot 0 translated.
pub(super) fn lowered(input: &io::Input, kind: FileKind, shared: &Shared) -> Result<Vec<u8>> {
    let (module, summary) = super::link::lowered(input, kind)?;
    if let Some(summary) = summary {
        shared.note(summary);
    }
    Ok(module)
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Diagnostic::new(Code::Internal, format!("no runtime: {e}")))
}

/// An address as a browser takes it.
pub(super) fn url(listen: &Listen, tls: bool) -> String {
    match listen {
        Listen::Tcp(addr) if tls => format!("https://{addr}/"),
        Listen::Tcp(addr) => format!("http://{addr}/"),
        Listen::Unix(_) => listen.to_string(),
    }
}

pub(super) fn no_address(error: &std::io::Error) -> Box<Diagnostic> {
    Diagnostic::new(Code::CannotListen, format!("no address: {error}"))
}

/// Resolves at Ctrl-C or a request to terminate.
pub(super) async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

/// Guest output and warnings, one line each, on standard error; requests too, if they are to be noted.
pub(super) fn log_to_stderr(shared: &Shared, access: AccessLog) {
    let level = match (shared.quiet, shared.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, true) => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    };
    let requests = if access == AccessLog::Off { LevelFilter::OFF } else { LevelFilter::INFO };
    let which =
        Targets::new().with_target("lowlift", level).with_target("guest", level).with_target("access", requests);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let all = tracing_subscriber::registry().with(which);
    // A second call, as in tests of the library, keeps the first subscriber.
    let _ = match access {
        AccessLog::Json => all.with(lines.json().flatten_event(true)).try_init(),
        AccessLog::Off | AccessLog::Text => all.with(lines).try_init(),
    };
}

/// A line that moves while something takes long; hidden when standard error is no terminal.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn start(shared: &Shared, text: String) -> Spinner {
        let bar = if shared.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(text);
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

pub(super) fn engine(name: &str) -> std::result::Result<EngineKind, String> {
    EngineKind::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| "`wasmtime` or `wasmi`".to_owned())
}
