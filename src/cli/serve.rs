//! `lowlift serve`: answer HTTP with a component or core module.

use super::{Outcome, Run, Shared, io};
use crate::adapt::{FileKind, PREVIEW1, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::Limits;
use crate::host::Config;
use crate::serve::{Options, RouteOptions, Server};
use indicatif::{ProgressBar, ProgressStyle};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  lowlift serve app.wasm
  lowlift serve app.wasm --addr 127.0.0.1:0 --timeout 5s --env GREETING=hello";

/// Serve wasi:http on a core-only engine, each request on a fresh instance.
///
/// Takes a component (lowered on the fly) or a core module. Guests see no files, no network and no environment but what
/// --env gives them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component or core module that exports `wasi:http/incoming-handler`.
    #[arg(value_name = "MODULE")]
    input: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// Wall time of a request, such as `500ms` or `30s`; beyond it the client gets 504.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Memory of a request in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    max_memory: u64,
    /// Requests that run at the same time; more wait.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_instances: u32,
    /// How long a stop waits for requests in progress.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    drain: Duration,
    /// An environment variable for guests.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let (input, kind) = io::read_wasm(Some(&args.input))?;
    let module = lowered(&input, kind, shared)?;
    log_to_stderr(shared);
    let limits = Limits {
        memory: usize::try_from(args.max_memory << 20).unwrap_or(usize::MAX),
        time: args.timeout,
        cpu: args.timeout,
        instances: args.max_instances,
        ..Limits::default()
    };
    let config = Config { env: args.env.clone(), args: vec!["app".to_owned()], ..Config::default() };
    let size = module.len();
    let route = RouteOptions { limits, config, ..RouteOptions::new(module) };
    let options = Options { drain: args.drain, ..Options::new(args.addr, route) };
    runtime()?.block_on(async {
        let spinner = Spinner::start(shared, format!("compiling {}", io::size(size)));
        let server = Server::bind(options).await;
        drop(spinner);
        let server = server.map_err(|e| e.in_file(&input.name, "core module"))?;
        shared.note(format!("serving {} on {}", input.name, url(&server)?));
        let drained = server.run(stopped()).await;
        shared.note(if drained { "stopped" } else { "stopped; some requests were cut off" });
        Ok(Outcome::Fine)
    })
}

/// The core module to serve: a component is linked first.
fn lowered(input: &io::Input, kind: FileKind, shared: &Shared) -> Result<Vec<u8>> {
    if kind == FileKind::Component {
        let linked = super::link::component(input, kind, Default::default())?;
        shared.note(super::link::summary(&linked.report));
        return Ok(linked.wasm);
    }
    let survey = survey(&input.bytes).map_err(|e| e.in_file(&input.name, "core module"))?;
    if survey.imported_from(PREVIEW1).next().is_some() {
        return Err(Diagnostic::new(Code::AdapterNotSupplied, "this is a preview1 module, which needs an adapter")
            .in_file(&input.name, survey.describe())
            .fact("needs", survey.imported_from(PREVIEW1).collect::<Vec<_>>().join(", "))
            .hint(format!("`lowlift adapt {} -o app.component.wasm`, then serve that", input.name)));
    }
    Ok(input.bytes.clone())
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Diagnostic::new(Code::Internal, format!("no runtime: {e}")))
}

pub(super) fn url(server: &Server) -> Result<String> {
    let addr = server.addr().map_err(|e| Diagnostic::new(Code::CannotListen, format!("no address: {e}")))?;
    Ok(format!("http://{addr}/"))
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

/// Guest output and warnings, one line each, on standard error.
pub(super) fn log_to_stderr(shared: &Shared) {
    let level = match (shared.quiet, shared.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, true) => tracing::Level::DEBUG,
        _ => tracing::Level::INFO,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // A second call, as in tests of the library, keeps the first subscriber.
    let _ = log.try_init();
}

/// A line that moves while something takes long; hidden when standard error is no terminal.
struct Spinner(ProgressBar);

impl Spinner {
    fn start(shared: &Shared, text: String) -> Spinner {
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

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "a number and a unit, such as `30s`".to_owned())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => return Err("the units are `ms`, `s` and `m`".to_owned()),
    };
    match milliseconds {
        Some(ms @ 1..=86_400_000) => Ok(Duration::from_millis(ms)),
        _ => Err("between 1ms and a day".to_owned()),
    }
}

fn variable(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("`NAME=VALUE`".to_owned()),
    }
}
