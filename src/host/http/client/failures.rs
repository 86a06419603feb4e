//! Errors of the system, of TLS and of HTTP as `error-code`s.

use super::super::{ErrorCode, Failure};
use crate::host::value::Value;
use rustls::AlertDescription;
use std::error::Error;
use std::io::{self, ErrorKind};

/// A connection that could not be made.
pub(super) fn connecting(error: &io::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => ErrorCode::ConnectionTerminated,
        ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => ErrorCode::DestinationIpUnroutable,
        _ => ErrorCode::DestinationUnavailable,
    };
    Failure::new(code, error)
}

/// A handshake that failed.
pub(super) fn handshake(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => tls(error),
        None if error.kind() == ErrorKind::UnexpectedEof => Failure::new(ErrorCode::TlsProtocolError, error),
        None => connecting(error),
    }
}

fn tls(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Failure::new(ErrorCode::TlsCertificateError, error)
        }
        rustls::Error::AlertReceived(alert) => {
            let id = Value::option(Some(u32::from(u8::from(*alert))));
            let payload = Value::Record(vec![id, Value::option(Some(alert_name(*alert).as_str()))]);
            Failure::with(ErrorCode::TlsAlertReceived, payload, error)
        }
        _ => Failure::new(ErrorCode::TlsProtocolError, error),
    }
}

fn alert_name(alert: AlertDescription) -> String {
    alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned)
}

/// A request or response that broke off. The reason may lie below what the transport says.
pub(super) fn exchange(error: &hyper::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(failure) = specific(inner) {
            return failure;
        }
        cause = inner.source();
    }
    let code = if error.is_parse_too_large() {
        ErrorCode::ResponseHeaderSectionSize
    } else if error.is_incomplete_message() {
        ErrorCode::ResponseIncomplete
    } else if error.is_canceled() || error.is_closed() {
        ErrorCode::ConnectionTerminated
    } else {
        ErrorCode::ProtocolError
    };
    Failure::new(code, error)
}

fn specific(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    let io = error.downcast_ref::<io::Error>()?;
    if let Some(failure) = io.get_ref().and_then(|inner| specific(inner)) {
        return Some(failure);
    }
    let code = match io.kind() {
        ErrorKind::UnexpectedEof => ErrorCode::ResponseIncomplete,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            ErrorCode::ConnectionTerminated
        }
        ErrorKind::TimedOut => ErrorCode::ConnectionReadTimeout,
        // The chunked form is the one that is decoded.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            let coding = Value::option(Some("chunked"));
            return Some(Failure::with(ErrorCode::ResponseTransferCoding, coding, io));
        }
        _ => return None,
    };
    Some(Failure::new(code, io))
}
