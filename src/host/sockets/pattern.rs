//! Patterns of `--allow-net`: their grammar and what they match.
//!
//! ```text
//! pattern = ["connect:" | "listen:"] host [":" ports]
//! host    = "*" | name | "*." name | IPv4 ["/" bits] | "[" IPv6 ["/" bits] "]" | IPv6 ["/" bits]
//! ports   = "*" | port | port "-" port
//! ```
//! Without a direction both are meant, of a name only `connect`. An IPv6 address without brackets takes no ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What an address is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetUse {
    /// To send to it, or to connect to it.
    Connect,
    /// To be reached at it.
    Listen,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetPattern {
    /// Both when none.
    direction: Option<NetUse>,
    host: Host,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// Lower case, without a dot at the end.
    Name(String),
    /// Names that end in this, which begins with a dot.
    Below(String),
    /// The leading bits of an address.
    Net(IpAddr, u8),
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no network pattern: {reason}; {hint}")]
pub struct PatternError {
    pattern: String,
    reason: String,
    hint: String,
}

/// A reason and a next step.
type Refused = (String, String);

fn refused<T>(reason: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err((reason.into(), hint.into()))
}

impl FromStr for NetPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<NetPattern, PatternError> {
        parse(text).map_err(|(reason, hint)| PatternError { pattern: text.to_owned(), reason, hint })
    }
}

impl NetPattern {
    /// Whether an address, by itself, may be used.
    pub(super) fn matches(&self, addr: SocketAddr, usage: NetUse) -> bool {
        let ip = canonical(addr.ip());
        let host = match self.host {
            Host::Any => usage == NetUse::Listen || !is_reserved(ip),
            Host::Name(_) | Host::Below(_) => false,
            Host::Net(net, bits) => within(ip, net, bits),
        };
        host && self.directed(usage) && self.ports.contains(&addr.port())
    }

    /// Whether a name may be looked up: lower case, without a dot at the end.
    pub(super) fn matches_name(&self, name: &str) -> bool {
        self.directed(NetUse::Connect) && self.names(name)
    }

    /// Whether what a name stood for may be connected to.
    pub(super) fn matches_as(&self, name: &str, addr: SocketAddr) -> bool {
        // A name whose owner makes it point at the machine's own keys is the usual way to steal them.
        self.matches_name(name) && self.ports.contains(&addr.port()) && !is_reserved(canonical(addr.ip()))
    }

    fn directed(&self, usage: NetUse) -> bool {
        self.direction.is_none_or(|direction| direction == usage)
    }

    fn names(&self, name: &str) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Name(own) => own == name,
            Host::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            Host::Net(..) => false,
        }
    }
}

/// The address that is really reached: IPv4 in the clothes of IPv6 is IPv4.
pub(super) fn canonical(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::ffff:a.b.c.d`, and NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        _ => ip,
    }
}

/// Link-local addresses, where clouds keep the keys of a machine, and the one that is not link-local.
fn is_reserved(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    }
}

fn within(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (ip.to_bits() ^ net.to_bits()).leading_zeros() >= u32::from(bits),
        (IpAddr::V6(ip), IpAddr::V6(net)) => (ip.to_bits() ^ net.to_bits()).leading_zeros() >= u32::from(bits),
        _ => false,
    }
}

fn parse(text: &str) -> Result<NetPattern, Refused> {
    let (direction, rest) = match (text.strip_prefix("connect:"), text.strip_prefix("listen:")) {
        (Some(rest), _) => (Some(NetUse::Connect), rest),
        (_, Some(rest)) => (Some(NetUse::Listen), rest),
        _ => (None, text),
    };
    let (host, ports) = split(rest)?;
    let host = parse_host(host)?;
    let ports = ports.map_or(Ok(0..=u16::MAX), parse_ports)?;
    match (&host, direction) {
        (Host::Name(_) | Host::Below(_), Some(NetUse::Listen)) => {
            refused("a guest listens at an address, not at a name", "write the address, such as `listen:127.0.0.1:*`")
        }
        // What a name stands for can change, so that nothing can be reached at it.
        (Host::Name(_) | Host::Below(_), None) => Ok(NetPattern { direction: Some(NetUse::Connect), host, ports }),
        _ => Ok(NetPattern { direction, host, ports }),
    }
}

/// Host and ports.
fn split(text: &str) -> Result<(&str, Option<&str>), Refused> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((host, rest)) = inner.split_once(']') else {
            return refused("a bracket is not closed", "write `[2001:db8::1]:443`");
        };
        if host.parse::<Ipv4Addr>().is_ok() || !host.contains(':') {
            return refused("only IPv6 addresses stand in brackets", "leave the brackets out");
        }
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(ports)) => Ok((host, Some(ports))),
            _ => refused("only `:` and ports follow a bracket", "write `[2001:db8::/32]:443`"),
        };
    }
    match text.split_once(':') {
        // More than one colon: an IPv6 address.
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, ports)) => Ok((host, Some(ports))),
        None => Ok((text, None)),
    }
}

fn parse_host(host: &str) -> Result<Host, Refused> {
    if host == "*" {
        return Ok(Host::Any);
    }
    if host.is_empty() {
        return refused("the host is missing", "`*` means any host");
    }
    if let Some((address, bits)) = host.split_once('/') {
        return parse_range(address, bits);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        let ip = canonical(ip);
        return Ok(Host::Net(ip, width(ip)));
    }
    if host.contains(':') {
        return refused("the IPv6 address is malformed", "with ports it stands in brackets: `[2001:db8::1]:443`");
    }
    let (below, name) = match host.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, host),
    };
    if name.contains('*') {
        return refused("`*` stands alone or for the first labels of a name", "write `*` or `*.example.org`");
    }
    match host_name(name) {
        Some(name) if below => Ok(Host::Below(format!(".{name}"))),
        Some(name) => Ok(Host::Name(name)),
        None => refused(
            format!("`{host}` is neither an address nor a host name"),
            "write a name, `10.0.0.1`, `10.0.0.0/8` or `[2001:db8::1]`",
        ),
    }
}

fn parse_range(address: &str, bits: &str) -> Result<Host, Refused> {
    let Ok(ip) = address.parse::<IpAddr>() else {
        return refused(format!("`{address}` is no address"), "a range is an address and its bits: `10.0.0.0/8`");
    };
    let most = width(ip);
    let bits = match bits.parse::<u8>() {
        Ok(number) if number <= most && !bits.starts_with('+') => number,
        _ => return refused(format!("`/{bits}` is not from 0 to {most}"), "write how many leading bits are fixed"),
    };
    if canonical(ip) != ip {
        return refused("an IPv4 address in an IPv6 range", "write it as IPv4: both forms match it");
    }
    let base: IpAddr = match ip {
        IpAddr::V4(v4) => {
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into()
        }
    };
    if base != ip {
        return refused("bits after the fixed ones are set", format!("write `{base}/{bits}`, or the address alone"));
    }
    Ok(Host::Net(ip, bits))
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn parse_ports(ports: &str) -> Result<RangeInclusive<u16>, Refused> {
    if ports == "*" {
        return Ok(0..=u16::MAX);
    }
    let port = |text: &str| match text.parse::<u16>() {
        Ok(0) => refused("port 0 is no port", "`:*` means any port, also one that the system chooses"),
        Ok(port) if !text.starts_with('+') => Ok(port),
        _ => refused(format!("`{text}` is no port"), "a port is a number from 1 to 65535, a range is `80-90`"),
    };
    let Some((first, last)) = ports.split_once('-') else { return port(ports).map(|port| port..=port) };
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return refused("the range of ports is empty", format!("write `{last}-{first}`"));
    }
    Ok(first..=last)
}

/// A host name as it is compared: in ASCII by IDNA, lower case, without a dot at the end. None for what is no name, and
/// for numbers that a resolver would take for an address (`0x7f.1` is 127.0.0.1 to `getaddrinfo`).
pub(super) fn host_name(name: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(name).ok().filter(|ascii| !ascii.is_empty()).or_else(|| lenient(name))?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let last = ascii.rsplit('.').next()?;
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if last.bytes().all(|b| b.is_ascii_digit()) || hexadecimal || ascii.split('.').any(str::is_empty) {
        return None;
    }
    Some(ascii.to_owned())
}

/// Names with underscores, which hosts inside of clusters have and the strict rules refuse.
fn lenient(name: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (name.len() <= 253 && !name.is_empty() && name.bytes().all(fits)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NetPattern {
        text.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    fn connects(text: &str, addr: &str) -> bool {
        pattern(text).matches(addr.parse().expect("an address"), NetUse::Connect)
    }

    fn listens(text: &str, addr: &str) -> bool {
        pattern(text).matches(addr.parse().expect("an address"), NetUse::Listen)
    }

    #[test]
    fn addresses_ranges_and_ports() {
        assert!(connects("10.0.0.1", "10.0.0.1:1") && connects("10.0.0.1:*", "10.0.0.1:65535"));
        assert!(connects("10.0.0.1:80", "10.0.0.1:80") && !connects("10.0.0.1:80", "10.0.0.1:81"));
        assert!(!connects("10.0.0.1", "10.0.0.2:80") && !connects("10.0.0.1", "[::1]:80"));
        assert!(connects("10.0.0.0/8:80-90", "10.255.0.1:90") && !connects("10.0.0.0/8:80-90", "10.255.0.1:91"));
        assert!(!connects("10.0.0.0/8", "11.0.0.0:80") && connects("0.0.0.0/0", "9.9.9.9:53"));
        assert!(connects("[::1]:80", "[::1]:80") && !connects("[::1]:80", "[::1]:81"));
        assert!(connects("::1", "[::1]:81") && connects("2001:db8::/32", "[2001:db8:1::1]:81"));
        assert!(
            connects("[2001:db8::/32]:443", "[2001:db8::7]:443")
                && !connects("[2001:db8::/32]:443", "[2001:db9::]:443")
        );
        assert!(!connects("::/0", "10.0.0.1:80") && !connects("0.0.0.0/0", "[::1]:80"));
        assert!(connects("*:443", "8.8.8.8:443") && !connects("*:443", "8.8.8.8:80"));
    }

    #[test]
    fn a_direction_is_one_direction() {
        assert!(connects("127.0.0.1", "127.0.0.1:1") && listens("127.0.0.1", "127.0.0.1:1"));
        assert!(connects("connect:127.0.0.1", "127.0.0.1:1") && !listens("connect:127.0.0.1", "127.0.0.1:1"));
        assert!(!connects("listen:127.0.0.1", "127.0.0.1:1") && listens("listen:127.0.0.1", "127.0.0.1:1"));
        assert!(!listens("127.0.0.1", "0.0.0.0:80"), "one interface is not all");
        assert!(listens("0.0.0.0:80", "0.0.0.0:80") && !listens("0.0.0.0:80", "127.0.0.1:80"));
        assert!(listens("127.0.0.1:*", "127.0.0.1:0") && !listens("127.0.0.1:80", "127.0.0.1:0"));
    }

    #[test]
    fn no_address_hides_in_another() {
        assert!(connects("10.0.0.1", "[::ffff:10.0.0.1]:80") && connects("[::ffff:10.0.0.1]", "10.0.0.1:80"));
        assert!(!connects("::/0", "[::ffff:10.0.0.1]:80"), "a mapped address is IPv4");
        for reserved in [
            "169.254.169.254:80",
            "[::ffff:169.254.169.254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
        ] {
            assert!(!connects("*", reserved), "{reserved} by `*`");
        }
        assert!(
            connects("169.254.169.254:80", "169.254.169.254:80") && connects("169.254.0.0/16", "169.254.169.254:80")
        );
        let named: SocketAddr = "169.254.169.254:80".parse().expect("an address");
        assert!(!pattern("metadata.example").matches_as("metadata.example", named));
        assert!(!pattern("*").matches_as("metadata.example", named));
    }

    #[test]
    fn names() {
        let names = |text: &str, name: &str| pattern(text).matches_name(name);
        assert!(names("Example.ORG", "example.org") && names("example.org.:80", "example.org"));
        assert!(!names("example.org", "www.example.org") && !names("example.org", "badexample.org"));
        assert!(names("*.example.org", "www.example.org") && names("*.example.org", "a.b.example.org"));
        assert!(!names("*.example.org", "example.org") && !names("*.example.org", "badexample.org"));
        assert!(names("bücher.example", "xn--bcher-kva.example") && names("*", "anything.example"));
        assert!(
            names("my_service", "my_service") && !names("10.0.0.1", "10.0.0.1") && !names("listen:*", "example.org")
        );
        let addr: SocketAddr = "127.0.0.1:80".parse().expect("an address");
        assert!(
            pattern("localhost:80").matches_as("localhost", addr)
                && !pattern("localhost:81").matches_as("localhost", addr)
        );
        assert!(!connects("localhost", "127.0.0.1:80"), "a name is not what it stands for");
        for number in ["127.1", "2130706433", "0x7f.1", "a.0x7f", "1.2.3", "a..b", "", "a b"] {
            assert!(host_name(number).is_none(), "{number}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("", "the host is missing"),
            (":80", "the host is missing"),
            ("listen:", "the host is missing"),
            ("listen:localhost:80", "not at a name"),
            ("listen:*.example.org", "not at a name"),
            ("10.0.0.1/8", "write `10.0.0.0/8`"),
            ("10.0.0.0/33", "not from 0 to 32"),
            ("::/129", "not from 0 to 128"),
            ("::ffff:10.0.0.0/104", "as IPv4"),
            ("a*b.org", "`*` stands alone"),
            ("*.*.org", "`*` stands alone"),
            ("host:0", "port 0 is no port"),
            ("host:90-80", "write `80-90`"),
            ("host:http", "`http` is no port"),
            ("host:65536", "is no port"),
            ("host:+80", "is no port"),
            ("[::1", "not closed"),
            ("[::1]80", "follow a bracket"),
            ("[10.0.0.1]:80", "only IPv6"),
            ("::1::2", "malformed"),
            ("fe80::1%eth0", "malformed"),
            ("256.0.0.1", "neither an address nor a host name"),
            ("127.1", "neither an address nor a host name"),
            ("http://example.org", "is no port"),
            ("example.org/path", "is no address"),
        ] {
            let error = text.parse::<NetPattern>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
