//! Making connections: names to addresses that are allowed, TCP, TLS, and which HTTP.

use super::super::{ErrorCode, Failure, HttpPolicy};
use super::pool::{Connection, Sender, Share};
use super::target::{Host, Target};
use super::{HttpClient, MAX_HEAD, failures};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// How long an address may take before the next one is tried beside it (RFC 8305, 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;
/// What a server may send on one stream before the guest reads.
const STREAM_WINDOW: u32 = 256 << 10;
/// Requests at a time on one connection of HTTP/2. Together their windows fill that of the connection, so that no guest
/// who does not read can stop another.
pub(super) const STREAMS: usize = 32;

impl HttpClient {
    /// A connection to the target, and whether it is new. `reuse` allows one that was made before.
    pub(super) async fn connection(
        &self,
        target: &Target,
        policy: &HttpPolicy,
        time: Duration,
        reuse: bool,
    ) -> Result<(Connection, bool), Failure> {
        let deadline = Instant::now() + time;
        let late = |code: ErrorCode| Failure::new(code, format!("no connection to {target} within {time:?}"));
        let take = || self.pool.take(target, |peer| policy.allows_address(target, peer));
        let kept = || if reuse { take() } else { None };
        if let Some(connection) = kept() {
            return Ok((connection, false));
        }
        let slot = match timeout_at(deadline, self.slot(kept)).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(connection)) => return Ok((connection, false)),
            Err(_) => return Err(late(ErrorCode::ConnectionLimitReached)),
        };
        let addresses = timeout_at(deadline, resolve(target)).await.map_err(|_| late(ErrorCode::DnsTimeout))??;
        let addresses = allowed(target, policy, &addresses)?;
        let connected = timeout_at(deadline, self.open(target, addresses, slot)).await;
        Ok((connected.map_err(|_| late(ErrorCode::ConnectionTimeout))??, true))
    }

    /// A place among the connections that may be open, or a connection that is given back meanwhile. Idle ones make room.
    async fn slot(&self, kept: impl Fn() -> Option<Connection>) -> Result<OwnedSemaphorePermit, Connection> {
        loop {
            if let Ok(slot) = self.slots.clone().try_acquire_owned() {
                return Ok(slot);
            }
            if let Some(connection) = kept() {
                return Err(connection);
            }
            self.pool.clear();
            tokio::select! {
                slot = self.slots.clone().acquire_owned() => if let Ok(slot) = slot { return Ok(slot) },
                () = self.pool.changed() => {}
            }
        }
    }

    async fn open(
        &self,
        target: &Target,
        addresses: Vec<SocketAddr>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Connection, Failure> {
        let stream = race(addresses).await?;
        let peer = stream.peer_addr().map_err(|e| failures::connecting(&e))?.ip();
        // Chunks leave as they are written; a refusal only costs latency.
        let _ = stream.set_nodelay(true);
        let sender = if target.https {
            let stream = TlsConnector::from(self.tls().await?).connect(server_name(target)?, stream).await;
            let stream = stream.map_err(|e| failures::handshake(&e))?;
            let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if two { speak_two(stream, slot, Share::first(&self.pool)).await } else { speak_one(stream, slot).await }
        } else {
            speak_one(stream, slot).await
        };
        Ok(Connection::new(sender?, peer))
    }

    /// The settings of TLS, made at the first use: reading the system's roots takes some time.
    async fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let made = self.tls.get_or_try_init(|| async {
            let roots = self.options.roots.clone();
            tokio::task::spawn_blocking(move || settings(roots)).await.unwrap_or_else(|e| Err(e.to_string()))
        });
        made.await.cloned().map_err(|why| Failure::new(ErrorCode::TlsProtocolError, why))
    }
}

/// The system's roots and those that were added. Roots that cannot be read are left out, as browsers do.
fn settings(added: Vec<Vec<u8>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(target: "lowlift", "root certificates: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    for root in added {
        roots.add(CertificateDer::from(root)).map_err(|e| format!("a root certificate cannot be used: {e}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let name = match &target.host {
        Host::Ip(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
        Host::Name(name) => name,
    };
    match tokio::net::lookup_host((name.as_str(), target.port)).await {
        Ok(found) => Ok(found.take(MAX_ADDRESSES).collect()),
        Err(e) => Err(Failure::new(ErrorCode::DnsError, e)),
    }
}

/// The addresses that may be connected to; see [`HttpPolicy`].
fn allowed(target: &Target, policy: &HttpPolicy, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let Some(first) = found.first() else {
        return Err(Failure::new(ErrorCode::DestinationNotFound, format!("{target} has no address")));
    };
    let allowed: Vec<_> = found.iter().filter(|at| policy.allows_address(target, at.ip())).copied().collect();
    if allowed.is_empty() {
        let why = format!("{target} leads to {}, which is not public and which no pattern names", first.ip());
        tracing::warn!(target: "lowlift", "a request was refused: {why}");
        return Err(Failure::new(ErrorCode::DestinationIpProhibited, why));
    }
    Ok(allowed)
}

/// The first connection that comes about.
async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            let nothing = || Failure::new(ErrorCode::DestinationUnavailable, "no address could be tried");
            return Err(failure.unwrap_or_else(nothing));
        }
        match timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => failure = Some(failures::connecting(&error)),
            // One that is slow has company from now on.
            _ => {}
        }
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, Failure> {
    match &target.host {
        Host::Ip(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => {
            ServerName::try_from(name.clone()).map_err(|e| Failure::new(ErrorCode::RequestUriInvalid, e))
        }
    }
}

async fn speak_one<S>(stream: S, slot: OwnedSemaphorePermit) -> Result<Sender, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.max_header_size(MAX_HEAD);
    let (sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(|e| failures::exchange(&e))?;
    drive(connection, slot);
    Ok(Sender::One(sender))
}

async fn speak_two<S>(stream: S, slot: OwnedSemaphorePermit, share: Share) -> Result<Sender, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * STREAMS as u32)
        .max_header_list_size(MAX_HEAD as u32);
    let (sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(|e| failures::exchange(&e))?;
    drive(connection, slot);
    Ok(Sender::Two(sender, share))
}

/// Moves bytes until the connection ends. What goes wrong there is said to its requests.
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static, slot: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        if let Err(e) = connection.await {
            tracing::debug!(target: "lowlift", "outgoing connection: {e}");
        }
        drop(slot);
    });
}

/// Where a connection leads to.
pub(super) type Peer = IpAddr;
