//! Accepting connections, and stopping.

use super::HANDLER;
use super::request::{MAX_HEAD, Service, guest_log};
use crate::abi::Track;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::{EngineKind, Limits, load};
use crate::host::Config;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen.
    pub addr: SocketAddr,
    /// What an instance may use.
    pub limits: Limits,
    /// What guests are given.
    pub config: Config,
    /// How long a stop waits for requests in progress.
    pub drain: Duration,
}

/// What the transport may read beyond a head.
const READ_AHEAD: usize = 16 * 1024;
/// How long a client may take to send a request head.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// A server that has bound its address and compiled its module.
pub struct Server {
    listener: TcpListener,
    service: Arc<Service>,
    drain: Duration,
}

impl Server {
    /// Compiles and links `module`, a core module, then binds the address. All imports are checked here.
    pub async fn bind(module: &[u8], options: Options) -> Result<Server> {
        let survey = crate::adapt::survey(module)?;
        let handler = survey
            .exports
            .keys()
            .find(|name| name.split_once('#').is_some_and(|(i, f)| f == "handle" && Track::of(i).0 == handler_track()));
        let Some(handler) = handler else {
            let exports: Vec<&str> = survey.exports.keys().map(String::as_str).collect();
            let mut error = Diagnostic::new(Code::NoHandler, "the module has no HTTP handler")
                .fact("wanted", format!("{HANDLER}@0.2.x#handle"))
                .fact("exports", if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") });
            if exports.iter().any(|e| e.starts_with("wasi:cli/run@") || *e == "_start") {
                error = error.hint("this is a program, not a handler: run it with a command runner");
            }
            return Err(error);
        };
        let service = Service {
            program: load(EngineKind::default(), module, &[handler], options.limits)?,
            config: Arc::new(options.config),
            log: guest_log(),
            limits: options.limits,
            instances: Arc::new(Semaphore::new(options.limits.instances as usize)),
        };
        service
            .rehearse()
            .await
            .map_err(|trap| Diagnostic::new(Code::GuestSetup, format!("the module cannot be set up: {trap}")))?;
        let listener = TcpListener::bind(options.addr).await.map_err(|e| {
            Diagnostic::new(Code::CannotListen, format!("cannot listen on {}: {e}", options.addr))
                .hint("`--addr 127.0.0.1:0` takes any free port")
        })?;
        Ok(Server { listener, service: Arc::new(service), drain: options.drain })
    }

    /// The address that was bound.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` resolves, then lets requests in progress finish, as long as the drain time allows. Says
    /// whether all of them did.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(MAX_HEAD + READ_AHEAD)
            .half_close(false);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    // Out of descriptors, most likely: give connections time to end.
                    tracing::warn!(target: "lowlift", "cannot accept: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Chunks leave as they are written; a refusal only costs latency.
            let _ = stream.set_nodelay(true);
            let service = self.service.clone();
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(service.answer(request).await) }
            });
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), answer));
            tokio::spawn(async move {
                if let Err(e) = connection.await {
                    tracing::debug!(target: "lowlift", "connection: {e}");
                }
            });
        }
        drop(self.listener);
        tokio::time::timeout(self.drain, graceful.shutdown()).await.is_ok()
    }
}

fn handler_track() -> Track {
    Track { interface: HANDLER.to_owned(), track: Some("0.2".to_owned()) }
}
