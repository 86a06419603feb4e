//! The load generator: keep-alive connections that ask one question after the other, bounded by time and number.

use super::http::Connection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Connections at a time.
pub(super) const CONNECTIONS: usize = 16;
/// Requests that one row sends at most.
pub(super) const MAX_REQUESTS: u64 = 2_000_000;
/// How long an answer may take after the end of the time.
const GRACE: Duration = Duration::from_secs(5);

/// What one load came to.
#[derive(Default)]
pub(super) struct Outcome {
    /// Latency of each answer with status 200, in microseconds; in no order.
    pub(super) latencies: Vec<u32>,
    /// Requests without such an answer.
    pub(super) failures: u64,
    /// What the first failure was.
    pub(super) first_failure: Option<String>,
    /// From the first request to the last answer.
    pub(super) wall: Duration,
}

impl Outcome {
    fn fail(&mut self, what: impl ToString) {
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| what.to_string());
    }

    /// Counts another load of the same server.
    pub(super) fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.latencies.extend(other.latencies);
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// Asks the server for `time`, but no more than `MAX_REQUESTS` times.
pub(super) async fn load(address: SocketAddr, time: Duration) -> Outcome {
    let started = Instant::now();
    let end = started + time;
    let left = Arc::new(AtomicU64::new(MAX_REQUESTS));
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(client(address, end, left.clone()))).collect();
    let mut total = Outcome::default();
    for client in clients {
        match client.await {
            Ok(outcome) => total.add(outcome),
            Err(error) => total.fail(error),
        }
    }
    total.wall = started.elapsed();
    total
}

async fn client(address: SocketAddr, end: Instant, left: Arc<AtomicU64>) -> Outcome {
    let mut outcome = Outcome::default();
    if timeout_at((end + GRACE).into(), ask(address, end, &left, &mut outcome)).await.is_err() {
        outcome.fail("an answer did not come in time");
    }
    outcome
}

async fn ask(address: SocketAddr, end: Instant, left: &AtomicU64, outcome: &mut Outcome) {
    let mut connection = None;
    while Instant::now() < end && take_one(left) {
        let asked = Instant::now();
        let open = match &mut connection {
            Some(open) => open,
            none => match Connection::open(address).await {
                Ok(opened) => none.insert(opened),
                // Nobody is there any more: trying on would only count up failures.
                Err(error) => return outcome.fail(error),
            },
        };
        match open.get().await {
            Ok(answer) => {
                if answer.status == 200 {
                    outcome.latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                } else {
                    outcome.fail(format!("status {}", answer.status));
                }
                if !answer.keep_alive {
                    connection = None;
                }
            }
            Err(error) => {
                outcome.fail(error);
                connection = None;
            }
        }
    }
}

fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
