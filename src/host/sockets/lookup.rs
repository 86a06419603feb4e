//! `wasi:sockets/ip-name-lookup`: names to addresses, by the system's resolver.

use super::policy::{Access, Lease};
use super::{Code, pattern, peek, registered};
use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Lookups of all instances at a time: each blocks a thread until the resolver answers or gives up, also when nobody
/// waits any more.
static RUNNING: Semaphore = Semaphore::const_new(32);
/// Addresses that one name gives.
const MAX_ADDRESSES: usize = 256;

type Answer = Result<VecDeque<IpAddr>, Code>;

/// `resolve-address-stream`.
#[derive(Debug)]
pub(in crate::host) struct Lookup {
    lease: Lease,
    /// None for a literal address, which grants nothing.
    name: Option<Arc<str>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A task of its own: one that only ran while the guest waits would hold up the others in the queue.
    Running(JoinHandle<Answer>),
    Answered(Answer),
}

impl Lookup {
    /// Begins to look up a name. An address in words is only read.
    pub(in crate::host) fn new(text: &str, access: &Access) -> Result<Lookup, Code> {
        let lease = access.lease()?;
        let unbracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| t.contains(':'));
        if let Ok(ip) = unbracketed.unwrap_or(text).parse::<IpAddr>() {
            let state = State::Answered(Ok(VecDeque::from([ip.to_canonical()])));
            return Ok(Lookup { lease, name: None, state });
        }
        let name = pattern::host_name(text).ok_or(Code::InvalidArgument)?;
        if !access.may_look_up(&name) {
            return Err(Code::AccessDenied);
        }
        let task = registered(|| Ok(tokio::spawn(resolve(name.clone(), access.lookups()))))?;
        Ok(Lookup { lease, name: Some(name.into()), state: State::Running(task) })
    }

    /// Ready when there is an answer.
    pub(in crate::host) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Running(task) = &mut self.state {
            match Pin::new(task).poll(cx) {
                Poll::Ready(answer) => {
                    self.state = State::Answered(answer.unwrap_or(Err(Code::TemporaryResolverFailure)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// The next address, none after the last. What the guest gets it may connect to, by the rules for the name.
    pub(in crate::host) fn next(&mut self) -> Result<Option<IpAddr>, Code> {
        let _ = peek(|cx| self.poll_ready(cx));
        let ip = match &mut self.state {
            State::Running(_) => return Err(Code::WouldBlock),
            State::Answered(Ok(addresses)) => addresses.pop_front(),
            State::Answered(Err(code)) => return Err(*code),
        };
        if let (Some(ip), Some(name)) = (ip, &self.name) {
            self.lease.remember(ip, name);
        }
        Ok(ip)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let State::Running(task) = &self.state {
            task.abort();
        }
    }
}

/// The permits are held until the resolver is done, not only until somebody has lost interest.
async fn resolve(name: String, own: Arc<Semaphore>) -> Answer {
    let own = own.acquire_owned().await;
    let all = RUNNING.acquire().await;
    let lookup = tokio::task::spawn_blocking(move || {
        let answer = ask(&name);
        drop((own, all));
        answer
    });
    lookup.await.unwrap_or(Err(Code::TemporaryResolverFailure))
}

fn ask(name: &str) -> Answer {
    // Else each address comes once per type of socket.
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => Code::NameUnresolvable,
        LookupErrorKind::Again => Code::TemporaryResolverFailure,
        LookupErrorKind::Fail => Code::PermanentResolverFailure,
        LookupErrorKind::Memory => Code::OutOfMemory,
        _ => Code::NameUnresolvable,
    })?;
    Ok(found.flatten().take(MAX_ADDRESSES).map(|info| info.sockaddr.ip().to_canonical()).collect())
}
