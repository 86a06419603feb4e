//! Connections that wait for the next request.

use super::super::Outbound;
use super::connect::{Peer, STREAMS};
use super::target::Target;
use crate::host::io::lock;
use hyper::client::conn::{http1, http2};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The sending side of a connection.
pub(super) enum Sender {
    /// HTTP/1.1: one request after the other.
    One(http1::SendRequest<Outbound>),
    /// HTTP/2: several at a time.
    Two(http2::SendRequest<Outbound>, Share),
}

/// A share of a connection that serves several requests. The pool's own is not counted.
pub(super) struct Share {
    requests: Arc<AtomicUsize>,
    changed: Arc<Notify>,
    counted: bool,
}

impl Share {
    /// The share of the request that a connection was made for.
    pub(super) fn first(pool: &Pool) -> Share {
        Share { requests: Arc::new(AtomicUsize::new(1)), changed: pool.changed.clone(), counted: true }
    }

    fn another(&self, counted: bool) -> Share {
        self.requests.fetch_add(usize::from(counted), Ordering::Relaxed);
        Share { requests: self.requests.clone(), changed: self.changed.clone(), counted }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.counted {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            self.changed.notify_one();
        }
    }
}

/// A connection, or a share of one.
pub(super) struct Connection {
    pub(super) sender: Sender,
    peer: Peer,
    used: Instant,
}

impl Connection {
    pub(super) fn new(sender: Sender, peer: Peer) -> Connection {
        Connection { sender, peer, used: Instant::now() }
    }

    /// The share for the pool, of a connection that can be shared.
    pub(super) fn to_keep(&self) -> Option<Connection> {
        self.share(false)
    }

    fn share(&self, counted: bool) -> Option<Connection> {
        let Sender::Two(sender, share) = &self.sender else { return None };
        let sender = Sender::Two(sender.clone(), share.another(counted));
        Some(Connection { sender, peer: self.peer, used: self.used })
    }

    fn is_open(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_ready(),
            Sender::Two(sender, _) => !sender.is_closed(),
        }
    }

    fn requests(&self) -> usize {
        if let Sender::Two(_, share) = &self.sender { share.requests() } else { 0 }
    }
}

/// Connections by target, for all instances of a server.
pub(super) struct Pool {
    state: Mutex<State>,
    /// How many may wait for one target.
    most: usize,
    /// How long they may wait.
    idle: Duration,
    /// A connection was given back, or a share of one.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Target, Vec<Connection>>,
    /// Somebody takes care that none waits too long.
    swept: bool,
}

impl Pool {
    pub(super) fn new(most: usize, idle: Duration) -> Pool {
        Pool { state: Mutex::default(), most, idle, changed: Arc::default() }
    }

    /// A connection to the target. Guests may be allowed different addresses of it, so that its peer must be allowed too.
    pub(super) fn take(&self, target: &Target, allowed: impl Fn(Peer) -> bool) -> Option<Connection> {
        let mut state = lock(&self.state);
        let waiting = state.waiting.get_mut(target)?;
        waiting.retain(Connection::is_open);
        // The last one that was used is the least likely to be closed by the server.
        let index =
            waiting.iter().rposition(|connection| allowed(connection.peer) && connection.requests() < STREAMS)?;
        waiting[index].used = Instant::now();
        waiting[index].share(true).or_else(|| Some(waiting.remove(index)))
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(self: &Arc<Self>, target: &Target, mut connection: Connection) {
        connection.used = Instant::now();
        let mut state = lock(&self.state);
        let waiting = state.waiting.entry(target.clone()).or_default();
        waiting.push(connection);
        if waiting.len() > self.most {
            waiting.remove(0);
        }
        if !std::mem::replace(&mut state.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.idle));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until a connection is given back. One that came before is not missed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Lets all go that nobody uses.
    pub(super) fn clear(&self) {
        self.retain(|_| false);
    }

    /// Returns whether any is left.
    fn retain(&self, keep: impl Fn(&Connection) -> bool) -> bool {
        let mut state = lock(&self.state);
        state.waiting.retain(|_, waiting| {
            waiting.retain(|connection| connection.is_open() && (connection.requests() > 0 || keep(connection)));
            !waiting.is_empty()
        });
        state.swept = state.swept && !state.waiting.is_empty();
        !state.waiting.is_empty()
    }
}

/// Closes what has waited long enough, until nothing waits.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        sleep(idle / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.retain(|connection| connection.used.elapsed() < idle) {
            return;
        }
    }
}
