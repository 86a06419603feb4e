//! `wasi:sockets/ip-name-lookup`: names to addresses, by the system's resolver.

use super::policy::Access;
use super::{Code, pattern, peek};
use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;

/// Lookups of all instances at a time: each blocks a thread until the resolver answers or gives up, also when nobody
/// waits any more.
static RUNNING: Semaphore = Semaphore::const_new(32);
/// Addresses that one name gives.
const MAX_ADDRESSES: usize = 256;

type Answer = Result<VecDeque<IpAddr>, Code>;

/// `resolve-address-stream`.
pub(in crate::host) struct Lookup {
    access: Access,
    /// None for a literal address, which grants nothing.
    name: Option<Arc<str>>,
    state: State,
}

enum State {
    Running(Pin<Box<dyn Future<Output = Answer> + Send>>),
    Answered(Answer),
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Lookup {
    /// Begins to look up a name. An address in words is only read.
    pub(in crate::host) fn new(text: &str, access: &Access) -> Result<Lookup, Code> {
        if access.is_denied() {
            return Err(Code::AccessDenied);
        }
        let unbracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| t.contains(':'));
        if let Ok(ip) = unbracketed.unwrap_or(text).parse::<IpAddr>() {
            let state = State::Answered(Ok(VecDeque::from([ip.to_canonical()])));
            return Ok(Lookup { access: access.clone(), name: None, state });
        }
        let name = pattern::host_name(text).ok_or(Code::InvalidArgument)?;
        if !access.may_look_up(&name) {
            return Err(Code::AccessDenied);
        }
        let state = State::Running(Box::pin(resolve(name.clone())));
        let mut lookup = Lookup { access: access.clone(), name: Some(name.into()), state };
        // So that it runs whether or not the guest waits.
        let _ = peek(|cx| lookup.poll_ready(cx));
        Ok(lookup)
    }

    /// Ready when there is an answer.
    pub(in crate::host) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Running(future) = &mut self.state {
            match future.as_mut().poll(cx) {
                Poll::Ready(answer) => self.state = State::Answered(answer),
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
            self.access.remember(ip, name);
        }
        Ok(ip)
    }
}

async fn resolve(name: String) -> Answer {
    let permit = RUNNING.acquire().await.map_err(|_| Code::TemporaryResolverFailure)?;
    let lookup = tokio::task::spawn_blocking(move || {
        let answer = ask(&name);
        drop(permit);
        answer
    });
    lookup.await.map_err(|_| Code::TemporaryResolverFailure)?
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
