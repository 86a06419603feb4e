//! Counters of a route, and their text for Prometheus.

use super::pool::{Counts, Retirement};
use http::StatusCode;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of request durations, in seconds.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Counters of one route.
#[derive(Debug)]
pub(super) struct Metrics {
    /// The route, as configured.
    pub(super) route: String,
    running: AtomicU64,
    by_class: [AtomicU64; 6],
    bytes: AtomicU64,
    cpu_us: AtomicU64,
    wall_us: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len()],
    /// Requests turned away because too many waited.
    pub(super) refused: AtomicU64,
    pub(super) instances: Arc<Counts>,
}

impl Metrics {
    pub(super) fn new(route: String, instances: Arc<Counts>) -> Metrics {
        Metrics {
            route,
            running: AtomicU64::new(0),
            by_class: Default::default(),
            bytes: AtomicU64::new(0),
            cpu_us: AtomicU64::new(0),
            wall_us: AtomicU64::new(0),
            buckets: Default::default(),
            refused: AtomicU64::new(0),
            instances,
        }
    }

    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A request goes on under another route, which counts it.
    pub(super) fn pass_on(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, status: StatusCode, bytes: u64, wall: Duration, cpu: Duration) {
        let add = |counter: &AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
        add(&self.by_class[usize::from(status.as_u16() / 100).min(5)], 1);
        add(&self.bytes, bytes);
        add(&self.cpu_us, micros(cpu));
        add(&self.wall_us, micros(wall));
        if let Some(bucket) = BUCKETS.iter().position(|&bound| wall.as_secs_f64() <= bound) {
            add(&self.buckets[bucket], 1);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(micros: &AtomicU64) -> f64 {
    micros.load(Ordering::Relaxed) as f64 / 1e6
}

/// One family of samples: its name, kind, help, and a line for each label set.
fn family<'m>(
    out: &mut String,
    routes: &[(&'m Metrics, u32)],
    (name, kind, help): (&str, &str, &str),
    samples: impl Fn(&'m Metrics, u32) -> Vec<(String, f64)>,
) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for &(metrics, waiting) in routes {
        let route = metrics.route.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for (labels, value) in samples(metrics, waiting) {
            let (suffix, labels) = labels.split_once('|').unwrap_or(("", &labels));
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = writeln!(out, "{name}{suffix}{{route=\"{route}\"{comma}{labels}}} {value}");
        }
    }
}

fn one(value: impl Into<f64>) -> Vec<(String, f64)> {
    vec![(String::new(), value.into())]
}

/// All counters in the text format of Prometheus, 0.0.4. With each route comes how many requests wait for it.
pub(super) fn text(routes: &[(&Metrics, u32)]) -> String {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let mut out = String::new();
    let out_ref = &mut out;
    family(out_ref, routes, ("lowlift_requests_total", "counter", "Requests answered, by class of status."), |m, _| {
        (1..6).map(|class| (format!("status=\"{class}xx\""), load(&m.by_class[class]))).collect()
    });
    family(out_ref, routes, ("lowlift_requests_running", "gauge", "Requests in progress."), |m, _| {
        one(load(&m.running))
    });
    family(out_ref, routes, ("lowlift_requests_waiting", "gauge", "Requests that wait for a place."), |_, n| one(n));
    family(
        out_ref,
        routes,
        ("lowlift_requests_refused_total", "counter", "Requests turned away: the queue was full."),
        |m, _| one(load(&m.refused)),
    );
    family(out_ref, routes, ("lowlift_response_bytes_total", "counter", "Bytes of response bodies."), |m, _| {
        one(load(&m.bytes))
    });
    family(out_ref, routes, ("lowlift_guest_cpu_seconds_total", "counter", "Time that guests computed."), |m, _| {
        one(seconds(&m.cpu_us))
    });
    family(
        out_ref,
        routes,
        ("lowlift_request_seconds", "histogram", "Time from request to the end of the response."),
        |m, _| {
            let mut sum = 0.0;
            let mut lines: Vec<(String, f64)> = BUCKETS
                .iter()
                .zip(&m.buckets)
                .map(|(bound, count)| {
                    sum += load(count);
                    (format!("_bucket|le=\"{bound}\""), sum)
                })
                .collect();
            let all: f64 = m.by_class.iter().map(load).sum();
            lines.push(("_bucket|le=\"+Inf\"".to_owned(), all));
            lines.push(("_sum|".to_owned(), seconds(&m.wall_us)));
            lines.push(("_count|".to_owned(), all));
            lines
        },
    );
    family(out_ref, routes, ("lowlift_instances", "gauge", "Instances alive, running or waiting."), |m, _| {
        one(m.instances.alive())
    });
    family(out_ref, routes, ("lowlift_instances_made_total", "counter", "Instances made."), |m, _| {
        one(m.instances.made.load(Ordering::Relaxed))
    });
    family(
        out_ref,
        routes,
        ("lowlift_instances_reused_total", "counter", "Requests served by an instance that was there."),
        |m, _| one(m.instances.reused.load(Ordering::Relaxed)),
    );
    family(out_ref, routes, ("lowlift_instances_retired_total", "counter", "Instances retired, by reason."), |m, _| {
        let reason = |&r: &Retirement| (format!("reason=\"{}\"", r.name()), f64::from(m.instances.retired(r)));
        Retirement::ALL.iter().map(reason).collect()
    });
    out
}
