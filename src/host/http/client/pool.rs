//! Connections that wait for the next request.

use super::super::Outbound;
use super::connect::{Peer, STREAMS};
use super::target::Target;
use crate::host::io::lock;
use hyper::client::conn::{http1, http2};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The sending side of a connection.
pub(super) enum Sender {
    /// HTTP/1.1: one request after the other.
    One(http1::SendRequest<Outbound>),
    /// HTTP/2: several at a time, each of which holds a clone of the counter.
    Two(http2::SendRequest<Outbound>, Arc<()>),
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

    fn is_open(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_ready(),
            Sender::Two(sender, _) => !sender.is_closed(),
        }
    }

    /// A share of a connection that can be shared.
    pub(super) fn share(&self) -> Option<Connection> {
        match &self.sender {
            Sender::One(_) => None,
            Sender::Two(sender, busy) => {
                let sender = Sender::Two(sender.clone(), busy.clone());
                Some(Connection { sender, peer: self.peer, used: self.used })
            }
        }
    }

    fn has_room(&self) -> bool {
        match &self.sender {
            Sender::One(_) => true,
            // One count is the pool's.
            Sender::Two(_, busy) => Arc::strong_count(busy) <= STREAMS,
        }
    }

    fn is_busy(&self) -> bool {
        matches!(&self.sender, Sender::Two(_, busy) if Arc::strong_count(busy) > 1)
    }
}

/// Connections by target, for all instances of a server.
pub(super) struct Pool {
    state: Mutex<State>,
    /// How many may wait for one target.
    most: usize,
    /// How long they may wait.
    idle: Duration,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Target, Vec<Connection>>,
    /// Somebody takes care that none waits too long.
    swept: bool,
}

impl Pool {
    pub(super) fn new(most: usize, idle: Duration) -> Pool {
        Pool { state: Mutex::default(), most, idle }
    }

    /// A connection to the target. Guests may be allowed different addresses of it, so that its peer must be allowed too.
    pub(super) fn take(&self, target: &Target, allowed: impl Fn(Peer) -> bool) -> Option<Connection> {
        let mut state = lock(&self.state);
        let waiting = state.waiting.get_mut(target)?;
        waiting.retain(Connection::is_open);
        // The last one that was used is the least likely to be closed by the server.
        let index = waiting.iter().rposition(|connection| allowed(connection.peer) && connection.has_room())?;
        waiting[index].used = Instant::now();
        waiting[index].share().or_else(|| Some(waiting.remove(index)))
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
    }

    /// Lets all go that nobody uses.
    pub(super) fn clear(&self) {
        self.retain(|_| false);
    }

    /// Returns whether any is left.
    fn retain(&self, keep: impl Fn(&Connection) -> bool) -> bool {
        let mut state = lock(&self.state);
        state.waiting.retain(|_, waiting| {
            waiting.retain(|connection| connection.is_open() && (connection.is_busy() || keep(connection)));
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
