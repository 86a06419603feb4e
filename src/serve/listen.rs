//! Sockets: TCP and Unix, plain or encrypted.

use crate::diagnostic::{Code, Diagnostic, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket, which is removed at the end.
    Unix(PathBuf),
}

impl Listen {
    /// `127.0.0.1:8080`, or `unix:/run/app.sock`.
    pub fn parse(text: &str) -> Result<Listen, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("`unix:` wants a path".to_owned()),
            Some(path) => Ok(Listen::Unix(PathBuf::from(path))),
            None => text.parse().map(Listen::Tcp).map_err(|_| "`ADDRESS:PORT` or `unix:PATH`".to_owned()),
        }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(addr) => addr.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A certificate chain and its key, both in PEM.
#[derive(Clone)]
pub struct Tls {
    /// The chain, the server's own first.
    pub cert: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// The acceptor, which offers HTTP/2 and HTTP/1.1.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let invalid = |what: &str, e: &dyn std::fmt::Display| Diagnostic::new(Code::TlsInvalid, format!("{what}: {e}"));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| invalid("the certificate cannot be read", &e))?;
        if chain.is_empty() {
            return Err(Diagnostic::new(Code::TlsInvalid, "there is no certificate in the file")
                .hint("a PEM file with `BEGIN CERTIFICATE` is wanted"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| invalid("the private key cannot be read", &e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| invalid("TLS cannot be set up", &e))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| invalid("certificate and key do not fit", &e))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    /// The client's.
    pub(super) remote: SocketAddr,
    /// The server's.
    pub(super) local: SocketAddr,
}

/// A connection, and its ends if it has addresses.
pub(super) type Accepted = (Box<dyn Stream>, Option<Addresses>);

/// A bound socket.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, UnixPath),
}

/// Removes the socket's file at the end.
pub(super) struct UnixPath(PathBuf);

impl Drop for UnixPath {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    pub(super) async fn bind(listen: &Listen) -> Result<Listener> {
        let refused = |e: io::Error| Diagnostic::new(Code::CannotListen, format!("cannot listen on {listen}: {e}"));
        match listen {
            Listen::Tcp(addr) => {
                let bound = TcpListener::bind(addr).await;
                let hint = "`--addr 127.0.0.1:0` takes any free port";
                Ok(Listener::Tcp(bound.map_err(|e| refused(e).hint(hint))?))
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                remove_stale(path);
                let bound = tokio::net::UnixListener::bind(path).map_err(refused)?;
                Ok(Listener::Unix(bound, UnixPath(path.clone())))
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(refused(io::ErrorKind::Unsupported.into())),
        }
    }

    pub(super) fn addr(&self) -> io::Result<Listen> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            #[cfg(unix)]
            Listener::Unix(_, path) => Ok(Listen::Unix(path.0.clone())),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                let local = stream.local_addr()?;
                // Chunks leave as they are written; a refusal only costs latency.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(Addresses { remote, local })))
            }
            #[cfg(unix)]
            Listener::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

/// Removes the socket of a server that is gone: nobody answers on it. Anything else is left to `bind` to complain of.
#[cfg(unix)]
fn remove_stale(path: &std::path::Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
}
