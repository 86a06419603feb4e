//! What guests may reach, and what one instance has found out about names.

use super::Code;
use super::pattern::{NetPattern, NetUse, canonical};
use crate::host::Config;
use crate::host::io::lock;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// What guests may do on the network. Nothing, by default.
#[derive(Debug, Clone)]
pub struct NetPolicy {
    /// What is allowed; one that fits is enough.
    pub patterns: Vec<NetPattern>,
    /// Sockets and lookups of names that one instance may have open at a time: each is a file descriptor of the host.
    pub sockets: usize,
}

impl Default for NetPolicy {
    /// No pattern, 100 sockets.
    fn default() -> Self {
        NetPolicy { patterns: Vec::new(), sockets: 100 }
    }
}

impl NetPolicy {
    /// Whether an address, by itself, may be used.
    pub fn allows(&self, addr: SocketAddr, usage: NetUse) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(addr, usage))
    }

    /// Whether a host name may be looked up: in ASCII, lower case, without a dot at the end.
    pub fn allows_name(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_name(name))
    }

    /// Whether an address that a lookup of `name` gave may be connected to.
    pub fn allows_as(&self, name: &str, addr: SocketAddr) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_as(name, addr))
    }
}

/// Addresses that an instance remembers names of; the oldest are forgotten.
const MAX_NAMES: usize = 256;

/// Lookups of one instance that the resolver works on at a time; more wait.
const MAX_LOOKUPS: usize = 4;

/// The network as one instance may use it.
#[derive(Debug, Clone)]
pub(in crate::host) struct Access(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    names: Mutex<VecDeque<(IpAddr, Arc<str>)>>,
    open: AtomicUsize,
    lookups: Arc<Semaphore>,
}

impl Access {
    pub(in crate::host) fn new(config: Arc<Config>) -> Access {
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        Access(Arc::new(Shared { config, names: Mutex::default(), open: AtomicUsize::new(0), lookups }))
    }

    fn policy(&self) -> &NetPolicy {
        &self.0.config.net
    }

    /// Nothing is allowed at all.
    pub(super) fn is_denied(&self) -> bool {
        self.policy().patterns.is_empty()
    }

    /// Room for one more socket or lookup.
    pub(super) fn lease(&self) -> Result<Lease, Code> {
        if self.is_denied() {
            return Err(Code::AccessDenied);
        }
        let more = |open: usize| (open < self.policy().sockets).then_some(open + 1);
        match self.0.open.try_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Lease(self.clone())),
            Err(_) => Err(Code::NewSocketLimit),
        }
    }

    pub(super) fn may_connect(&self, addr: SocketAddr) -> bool {
        if self.policy().allows(addr, NetUse::Connect) {
            return true;
        }
        let ip = canonical(addr.ip());
        lock(&self.0.names).iter().any(|(known, name)| *known == ip && self.policy().allows_as(name, addr))
    }

    pub(super) fn may_listen(&self, addr: SocketAddr) -> bool {
        self.policy().allows(addr, NetUse::Listen)
    }

    /// A port that the system chooses is no address that anyone knows; listening there is another question.
    pub(super) fn may_bind(&self, addr: SocketAddr) -> bool {
        addr.port() == 0 || self.may_listen(addr)
    }

    /// Has a permit per lookup that may run.
    pub(super) fn lookups(&self) -> Arc<Semaphore> {
        self.0.lookups.clone()
    }

    pub(super) fn may_look_up(&self, name: &str) -> bool {
        self.policy().allows_name(name)
    }

    /// Remembers what a lookup gave.
    pub(super) fn remember(&self, ip: IpAddr, name: &Arc<str>) {
        let mut names = lock(&self.0.names);
        let entry = (canonical(ip), name.clone());
        if !names.contains(&entry) {
            if names.len() >= MAX_NAMES {
                names.pop_front();
            }
            names.push_back(entry);
        }
    }
}

/// The place of an open socket or lookup.
#[derive(Debug)]
pub(super) struct Lease(Access);

impl std::ops::Deref for Lease {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(patterns: &[&str], sockets: usize) -> Access {
        let patterns = patterns.iter().map(|p| p.parse().expect("a pattern")).collect();
        Access::new(Arc::new(Config { net: NetPolicy { patterns, sockets }, ..Config::default() }))
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let access = Access::new(Arc::default());
        assert!(access.is_denied() && !access.may_connect(addr("127.0.0.1:80")) && !access.may_look_up("localhost"));
        assert!(!access.may_listen(addr("127.0.0.1:80")) && !access.may_listen(addr("127.0.0.1:0")));
        assert_eq!(access.lease().err(), Some(Code::AccessDenied));
    }

    #[test]
    fn what_a_name_stood_for_is_allowed_as_that_name() {
        let access = access(&["db.example:5432", "*.example.org"], 1);
        let name: Arc<str> = "db.example".into();
        assert!(access.may_look_up("db.example") && !access.may_connect(addr("10.0.0.7:5432")));
        access.remember("10.0.0.7".parse().expect("an address"), &name);
        assert!(access.may_connect(addr("10.0.0.7:5432")) && access.may_connect(addr("[::ffff:10.0.0.7]:5432")));
        assert!(!access.may_connect(addr("10.0.0.7:80")), "another port");
        assert!(!access.may_connect(addr("10.0.0.8:5432")), "another address");
        assert!(!access.may_listen(addr("10.0.0.7:5432")), "another use");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let access = access(&["*.example"], 1);
        let name: Arc<str> = "a.example".into();
        for i in 0..=u32::try_from(MAX_NAMES).expect("a small number") {
            access.remember(std::net::Ipv4Addr::from_bits(0x0a00_0000 + i).into(), &name);
        }
        assert!(!access.may_connect(addr("10.0.0.0:80")), "the oldest is forgotten");
        assert!(access.may_connect(addr("10.0.0.1:80")) && access.may_connect(addr("10.0.1.0:80")));
    }

    #[test]
    fn sockets_are_counted() {
        let access = access(&["*"], 2);
        let held = [access.lease().expect("one"), access.lease().expect("two")];
        assert_eq!(access.lease().err(), Some(Code::NewSocketLimit));
        drop(held);
        assert!(access.lease().is_ok());
    }
}
