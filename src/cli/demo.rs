//! `lowlift demo`: the whole path, with a guest that is part of the binary.

use super::serve::{AccessLog, log_to_stderr, no_address, runtime, stopped, url};
use super::{Outcome, Run, Shared, io};
use crate::abi::Allocation;
use crate::adapt::survey;
use crate::check::{Target, check};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{Options as LinkOptions, link};
use crate::serve::{Listen, Options, RouteOptions, Server};
use crate::wit::{Gates, built_in, select_world};
use crate::witx::{Scope, derive, print, verify};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Instant;

/// A component of this repository: `fixtures/guests/http-hello-rust`.
const GUEST: &[u8] = include_bytes!("../../fixtures/guests/http-hello-rust.wasm");
/// An answer larger than this is not the guest's.
const MAX_ANSWER: usize = 64 * 1024;

/// Derive, link, check and serve an embedded guest.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit after one request instead of serving on.
    #[arg(long)]
    once: bool,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    log_to_stderr(shared, AccessLog::Off);
    say(&derived()?)?;
    let started = Instant::now();
    let linked = link(GUEST, LinkOptions { verify: true, ..LinkOptions::default() })?;
    say(&format!("link    {} in {}", super::link::summary(&linked.report), ms(started)))?;
    say(&checked(&linked.wasm)?)?;
    runtime()?.block_on(async {
        let started = Instant::now();
        let options = Options::single(args.addr, RouteOptions::new(linked.wasm.clone()));
        let server = Server::bind(options).await?;
        let addr = server.addr().map_err(|e| no_address(&e))?;
        let address = url(&Listen::Tcp(addr), false);
        say(&format!("serve   {address} on wasmtime's core API, compiled in {}", ms(started)))?;
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.run(async {
            let _ = stopping.await;
        }));
        let started = Instant::now();
        let (status, body) = request(addr).await?;
        say(&format!("        GET / → {status} {:?} in {}", body.trim_end(), ms(started)))?;
        if status != 200 {
            return Err(Diagnostic::new(Code::RequestFailed, format!("the guest answered {status}")).into());
        }
        if !args.once {
            say("        Ctrl-C stops")?;
            stopped().await;
        }
        let _ = stop.send(());
        serving.await.map_err(|e| Diagnostic::new(Code::Internal, "the server broke").cause(e))?;
        Ok(Outcome::Fine)
    })
}

fn say(line: &str) -> std::result::Result<(), super::Failure> {
    io::print(format!("{line}\n").as_bytes())
}

fn ms(since: Instant) -> String {
    format!("{:.1} ms", since.elapsed().as_secs_f64() * 1e3)
}

fn derived() -> Result<String> {
    let started = Instant::now();
    let loaded = built_in("wasi", &Gates::default())?;
    let scope = Scope::Packages(loaded.packages.clone());
    let derived = derive(&loaded.resolve, &scope, &Default::default())?;
    let files = print(&derived.document);
    let counts = verify(&loaded.resolve, &scope, &derived, &files)?;
    Ok(format!(
        "derive  WASI 0.2.12: {} functions, {} resource drops, {} types, verified against three independent readers in {}",
        counts.functions,
        counts.intrinsics,
        derived.document.types.len(),
        ms(started)
    ))
}

fn checked(module: &[u8]) -> Result<String> {
    let name = "wasi:http/proxy@0.2.12";
    let loaded = built_in("wasi:http", &Gates::default())?;
    let world = select_world(&loaded, Some("proxy"))?;
    let checked = check(&survey(module)?, &Target::of_world(name, &loaded.resolve, world)?, Allocation::default());
    match checked.findings.into_iter().next() {
        Some(finding) => Err(finding.diagnostic()),
        None => Ok(format!(
            "check   {}, {} against {name}: fine",
            io::count(checked.imports, "import"),
            io::count(checked.exports, "export")
        )),
    }
}

/// One request to our own server.
async fn request(addr: SocketAddr) -> Result<(u16, String)> {
    let failed = |e: &dyn std::fmt::Display| Diagnostic::new(Code::RequestFailed, format!("no answer: {e}"));
    let stream = tokio::net::TcpStream::connect(addr).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get("/")
        .header(http::header::HOST, addr.to_string())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|e| failed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| failed(&e))?;
    drop(sender);
    connection.abort();
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
