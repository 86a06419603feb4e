//! `wasi:http/types.error-code`, and failures that carry one.

use crate::host::value::Value;
use http::StatusCode;
use std::fmt::Display;

/// Cases of `wasi:http/types.error-code` that the host itself says or reads. They follow the registry of HTTP proxy error
/// types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// `DNS-timeout`.
    DnsTimeout = 0,
    /// `DNS-error`.
    DnsError = 1,
    /// `destination-not-found`: the name has no address.
    DestinationNotFound = 2,
    /// `destination-unavailable`: the system cannot connect, for a reason that has no code of its own.
    DestinationUnavailable = 3,
    /// `destination-IP-prohibited`: the name is allowed, and its addresses are not.
    DestinationIpProhibited = 4,
    /// `destination-IP-unroutable`.
    DestinationIpUnroutable = 5,
    /// `connection-refused`.
    ConnectionRefused = 6,
    /// `connection-terminated`.
    ConnectionTerminated = 7,
    /// `connection-timeout`.
    ConnectionTimeout = 8,
    /// `connection-read-timeout`: the first byte, or the next one, did not come in time.
    ConnectionReadTimeout = 9,
    /// `connection-limit-reached`.
    ConnectionLimitReached = 11,
    /// `TLS-protocol-error`.
    TlsProtocolError = 12,
    /// `TLS-certificate-error`.
    TlsCertificateError = 13,
    /// `TLS-alert-received`.
    TlsAlertReceived = 14,
    /// `HTTP-request-denied`.
    RequestDenied = 15,
    /// `HTTP-request-body-size`.
    RequestBodySize = 17,
    /// `HTTP-request-method-invalid`.
    RequestMethodInvalid = 18,
    /// `HTTP-request-URI-invalid`.
    RequestUriInvalid = 19,
    /// `HTTP-response-incomplete`.
    ResponseIncomplete = 25,
    /// `HTTP-response-header-section-size`.
    ResponseHeaderSectionSize = 26,
    /// `HTTP-response-body-size`.
    ResponseBodySize = 28,
    /// `HTTP-response-transfer-coding`.
    ResponseTransferCoding = 31,
    /// `HTTP-protocol-error`.
    ProtocolError = 35,
    /// `internal-error`.
    InternalError = 38,
}

impl ErrorCode {
    /// The case; what its payload could tell is left out.
    pub(super) fn value(self) -> Value {
        let none = || Value::option(None::<Value>);
        match self as u32 {
            // records of two options
            1 | 14 => self.with(Value::Record(vec![none(), none()])),
            17 | 26 | 28 | 31 | 38 => self.with(none()),
            case => Value::case(case),
        }
    }

    pub(super) fn with(self, payload: Value) -> Value {
        Value::Case(self as u32, Some(Box::new(payload)))
    }

    /// The status that a client gets for an error that the guest answered with, by the case of `error-code`.
    pub fn status(case: u32) -> StatusCode {
        match case {
            // DNS, connection, read, write and response time-outs
            0 | 8 | 9 | 10 | 33 => StatusCode::GATEWAY_TIMEOUT,
            15 => StatusCode::FORBIDDEN,
            16 => StatusCode::LENGTH_REQUIRED,
            17 => StatusCode::PAYLOAD_TOO_LARGE,
            18 => StatusCode::METHOD_NOT_ALLOWED,
            19 => StatusCode::BAD_REQUEST,
            20 => StatusCode::URI_TOO_LONG,
            21..=24 => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            36 => StatusCode::LOOP_DETECTED,
            // configuration and internal errors
            37 | 38 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Why a message failed: an `error-code`, and the same in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    value: Value,
    why: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, why: impl Display) -> Failure {
        Failure { value: code.value(), why: why.to_string() }
    }

    pub(super) fn with(code: ErrorCode, payload: Value, why: impl Display) -> Failure {
        Failure { value: code.with(payload), why: why.to_string() }
    }

    /// The `error-code`, as the guest gets it.
    pub(super) fn value(&self) -> Value {
        self.value.clone()
    }
}
