//! Where outgoing requests may go: patterns, and the addresses behind names.
//!
//! ```text
//! pattern = [ ( "http" / "https" ) "://" ] host [ ":" ( port / "*" ) ]
//! host    = "*"                          ; every name, and every public address
//!         / name                         ; that name alone
//!         / "*." name                    ; the names below it, at any depth, and not the name itself
//!         / IPv4 [ "/" bits ]            ; an address, or a network
//!         / "[" IPv6 [ "/" bits ] "]"
//! ```
//!
//! What a pattern leaves out it does not restrict. A name that is allowed must also lead to an address that is: a public
//! one, or one that a pattern names. Otherwise whoever owns the name could send guests to the host's own network.

use super::client::{Host, Target};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Patterns of which one must allow an outgoing request; with none, nothing is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpPolicy {
    patterns: Vec<HttpPattern>,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPattern {
    https: Option<bool>,
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    Name(String),
    /// With the dot that stands before it.
    Below(String),
    Network(Network),
}

/// An address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{why}; a pattern is `*`, `host`, `host:port`, `*.example.org` or `10.0.0.0/8`, after `https://` or `http://` or without"
)]
pub struct BadPattern {
    why: String,
}

fn bad<T>(why: impl Into<String>) -> Result<T, BadPattern> {
    Err(BadPattern { why: why.into() })
}

impl HttpPolicy {
    /// What these patterns allow together.
    pub fn new(patterns: impl IntoIterator<Item = HttpPattern>) -> HttpPolicy {
        HttpPolicy { patterns: patterns.into_iter().collect() }
    }

    /// Whether a request with this scheme, in lower case, and authority may be made. The addresses that a name leads to are
    /// looked at later.
    pub fn allows(&self, scheme: &str, authority: &str) -> bool {
        let https = scheme == "https";
        (https || scheme == "http") && Target::new(https, authority).is_ok_and(|target| self.allows_target(&target))
    }

    pub(super) fn allows_target(&self, target: &Target) -> bool {
        match target.host {
            Host::Ip(address) => self.allows_address(target, address),
            Host::Name(_) => self.fitting(target).any(|pattern| pattern.host.names(&target.host)),
        }
    }

    /// Whether a target that is allowed by its name may be reached at an address.
    pub(super) fn allows_address(&self, target: &Target, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.fitting(target).any(|pattern| match &pattern.host {
            HostPattern::Network(network) => network.contains(address),
            // Who names it knows where it leads to.
            HostPattern::Name(name) if name == "localhost" && address.is_loopback() => pattern.host.names(&target.host),
            HostPattern::Any => is_public(address),
            HostPattern::Name(_) | HostPattern::Below(_) => is_public(address) && pattern.host.names(&target.host),
        })
    }

    fn fitting(&self, target: &Target) -> impl Iterator<Item = &HttpPattern> {
        let (https, port) = (target.https, target.port);
        self.patterns.iter().filter(move |pattern| {
            pattern.https.is_none_or(|wanted| wanted == https) && pattern.port.is_none_or(|wanted| wanted == port)
        })
    }
}

impl HostPattern {
    fn names(&self, host: &Host) -> bool {
        let Host::Name(host) = host else { return false };
        match self {
            HostPattern::Any => true,
            HostPattern::Name(name) => name == host,
            HostPattern::Below(parent) => host.len() > parent.len() && host.ends_with(parent),
            HostPattern::Network(_) => false,
        }
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for HttpPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<HttpPattern, BadPattern> {
        let (https, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(false), rest),
            Some(("https", rest)) => (Some(true), rest),
            Some((scheme, _)) => return bad(format!("the scheme `{scheme}` is neither http nor https")),
        };
        let (host, port) = host_and_port(rest)?;
        let port = match port {
            None | Some("*") => None,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => Some(port),
                _ => return bad(format!("`{port}` is no port")),
            },
        };
        Ok(HttpPattern { https, host: host.parse()?, port })
    }
}

/// Parts at the colon before the port; that of an IPv6 address is behind the bracket.
fn host_and_port(text: &str) -> Result<(&str, Option<&str>), BadPattern> {
    if text.starts_with('[') {
        let Some(end) = text.find(']') else { return bad("the bracket is not closed") };
        let (host, rest) = text.split_at(end + 1);
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            _ => bad(format!("`{rest}` follows the bracket")),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => bad("an IPv6 address stands in brackets, as in `[::1]`"),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

impl FromStr for HostPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<HostPattern, BadPattern> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return network(inside, |address| address.parse().map(IpAddr::V6).ok());
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('/') || Host::ends_in_number(&text) {
            return network(&text, |address| address.parse().map(IpAddr::V4).ok());
        }
        if text.contains('/') {
            return bad("a path can be neither allowed nor denied");
        }
        if text.contains('@') {
            return bad("a pattern names no user");
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text.as_str()),
        };
        if name.contains('*') {
            return bad("`*` stands alone or for the first labels, as in `*.example.org`");
        }
        match Host::name(name) {
            Some(name) if below => Ok(HostPattern::Below(format!(".{name}"))),
            Some(name) => Ok(HostPattern::Name(name)),
            None if !name.is_ascii() => bad(format!("`{name}` is not ASCII: write it in its `xn--` form")),
            None => bad(format!("`{name}` is no host")),
        }
    }
}

fn network(text: &str, parse: impl Fn(&str) -> Option<IpAddr>) -> Result<HostPattern, BadPattern> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let Some(address) = parse(address) else { return bad(format!("`{address}` is no IP address")) };
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits.map(u8::from_str) {
        None => all,
        Some(Ok(bits)) if bits <= all => bits,
        Some(_) => return bad(format!("a prefix has at most {all} bits")),
    };
    let network = Network { address, bits };
    let beyond = match address {
        IpAddr::V4(a) => a.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0,
        IpAddr::V6(a) => a.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0,
    };
    if beyond {
        return bad(format!("`{text}` has bits set beyond its prefix"));
    }
    Ok(HostPattern::Network(network))
}

/// Whether an address is reached across the internet, by the registries of special-purpose addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = [a, b, c] == [192, 0, 0];
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || protocols
        || benchmarks)
}

/// Global unicast is `2000::/3`. Of that, `2001::/23` and `2002::/16` hold tunnels to IPv4 addresses. `64:ff9b::/96` does as
/// well, and is how networks without IPv4 reach it, so that its addresses are looked at.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    let special = segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8);
    segments[0] >> 13 == 1 && !special && segments[0] != 0x2002
}
