//! Where a request goes.

use super::super::{ErrorCode, Failure};
use http::uri::Authority;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Scheme, host and port; requests to the same one share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::host::http) struct Target {
    pub(in crate::host::http) https: bool,
    pub(in crate::host::http) host: Host,
    pub(in crate::host::http) port: u16,
}

/// A host, in its one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::host::http) enum Host {
    /// In lower case, without a dot at its end.
    Name(String),
    Ip(IpAddr),
}

impl Target {
    /// The target that an authority names. One with a user is refused (RFC 9110, 4.2.4).
    pub(in crate::host::http) fn new(https: bool, authority: &str) -> Result<Target, Failure> {
        let invalid = |why: &str| Failure::new(ErrorCode::RequestUriInvalid, format!("`{authority}` {why}"));
        let parsed = Authority::try_from(authority).map_err(|e| invalid(&format!("is no authority: {e}")))?;
        if authority.contains('@') {
            return Err(invalid("names a user"));
        }
        let host = Host::new(parsed.host()).ok_or_else(|| invalid("has no valid host"))?;
        let port = match authority.get(parsed.host().len()..).and_then(|rest| rest.strip_prefix(':')) {
            None | Some("") if https => 443,
            None | Some("") => 80,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| invalid("has no valid port"))?,
        };
        Ok(Target { https, host, port })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        match &self.host {
            Host::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "{scheme}://[{ip}]:{}", self.port),
            Host::Ip(ip) => write!(f, "{scheme}://{ip}:{}", self.port),
        }
    }
}

impl Host {
    fn new(text: &str) -> Option<Host> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Host::Ip(IpAddr::V6(address).to_canonical()));
        }
        if Host::ends_in_number(text) {
            return text.parse::<Ipv4Addr>().ok().map(|address| Host::Ip(address.into()));
        }
        Host::name(text).map(Host::Name)
    }

    /// A name in its one form, if it can be one.
    pub(in crate::host::http) fn name(text: &str) -> Option<String> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        (name.len() <= 253 && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
    }

    /// Whether a host can only be an IPv4 address. Resolvers take `127.1` and `0x7f000001` for one, so that a name must not
    /// end in a number.
    pub(in crate::host::http) fn ends_in_number(text: &str) -> bool {
        let text = text.strip_suffix('.').unwrap_or(text);
        let last = text.rsplit('.').next().unwrap_or(text);
        let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
            || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}
