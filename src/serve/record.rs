//! What is noted of a request: the access log and the counters.

use super::metrics::Metrics;
use super::pool::Retirement;
use http::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Notes on one request, written out when it is dropped.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) method: http::Method,
    pub(super) path: String,
    /// The trace that the request belongs to, if it said so.
    pub(super) trace: Option<String>,
    pub(super) status: StatusCode,
    /// Bytes of the response's body that were handed to the transport.
    pub(super) bytes: u64,
    pub(super) cpu: Duration,
    /// Whether the instance was made for this request; none if there was no instance.
    pub(super) new: Option<bool>,
    pub(super) retired: Option<Retirement>,
    /// What went wrong, for the log alone.
    pub(super) error: Option<String>,
    started: Instant,
    metrics: Arc<Metrics>,
}

impl Record {
    pub(super) fn new(method: http::Method, path: String, metrics: Arc<Metrics>) -> Record {
        metrics.begin();
        Record {
            method,
            path,
            trace: None,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            bytes: 0,
            cpu: Duration::ZERO,
            new: None,
            retired: None,
            error: None,
            started: Instant::now(),
            metrics,
        }
    }

    /// The same request goes on under another route, as after a local redirect.
    pub(super) fn goes_on(&mut self, metrics: Arc<Metrics>) {
        metrics.begin();
        std::mem::replace(&mut self.metrics, metrics).pass_on();
    }

    /// What went wrong; the first that did is kept.
    pub(super) fn error(&mut self, error: impl ToString) {
        self.error.get_or_insert_with(|| error.to_string());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.end(self.status, self.bytes, took, self.cpu);
        if let Some(error) = &self.error {
            tracing::warn!(target: "lowlift", method = %self.method, path = self.path, "{error}");
        }
        tracing::info!(
            target: "access",
            route = self.metrics.route,
            method = %self.method,
            path = self.path,
            status = self.status.as_u16(),
            bytes = self.bytes,
            ms = took.as_secs_f64() * 1e3,
            cpu_ms = self.cpu.as_secs_f64() * 1e3,
            instance = match self.new { Some(true) => "new", Some(false) => "reused", None => "none" },
            retired = self.retired.map_or("", Retirement::name),
            trace = self.trace.as_deref().unwrap_or_default(),
        );
    }
}
