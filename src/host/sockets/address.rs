//! Addresses between the WIT and the system, and which are fit for what.

use super::Code;
use crate::host::Trap;
use crate::host::value::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// `wasi:sockets/network.ip-address-family`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(super) fn lift(value: &Value) -> Result<Family, Trap> {
        Ok(if value.as_case()?.0 == 0 { Family::Ipv4 } else { Family::Ipv6 })
    }

    /// The family of an address has to be that of the socket; IPv6 sockets know nothing of IPv4.
    pub(super) fn check(self, addr: SocketAddr) -> Result<(), Code> {
        let fits = match (self, addr.ip()) {
            (Family::Ipv4, IpAddr::V4(_)) => true,
            // Neither mapped (`::ffff:1.2.3.4`) nor compatible (`::1.2.3.4`) addresses.
            (Family::Ipv6, IpAddr::V6(ip)) => ip.to_ipv4().is_none() || ip.is_unspecified() || ip.is_loopback(),
            _ => false,
        };
        if fits { Ok(()) } else { Err(Code::InvalidArgument) }
    }
}

impl From<Family> for Value {
    fn from(family: Family) -> Value {
        Value::case(family as u32)
    }
}

/// One host, as TCP needs on both ends.
pub(super) fn check_unicast(addr: SocketAddr) -> Result<(), Code> {
    let broadcast = matches!(addr.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    if broadcast || addr.ip().is_multicast() { Err(Code::InvalidArgument) } else { Ok(()) }
}

/// A host and a port that something can be sent to.
pub(super) fn check_remote(addr: SocketAddr) -> Result<(), Code> {
    if addr.ip().is_unspecified() || addr.port() == 0 { Err(Code::InvalidArgument) } else { Ok(()) }
}

fn number<T: TryFrom<u64>>(value: Option<&Value>) -> Result<T, Trap> {
    let value = value.ok_or_else(malformed)?.u64()?;
    T::try_from(value).map_err(|_| malformed())
}

fn malformed() -> Trap {
    Trap::new("a host function wanted an address")
}

/// `ip-socket-address` from a guest.
pub(super) fn lift(value: &Value) -> Result<SocketAddr, Trap> {
    let (case, payload) = value.as_case()?;
    let fields = payload.ok_or_else(malformed)?.items()?;
    let port = number(fields.first())?;
    if case == 0 {
        let bytes = fields.get(1).ok_or_else(malformed)?.items()?;
        let mut ip = [0; 4];
        for (index, byte) in ip.iter_mut().enumerate() {
            *byte = number(bytes.get(index))?;
        }
        return Ok(SocketAddrV4::new(Ipv4Addr::from(ip), port).into());
    }
    let groups = fields.get(2).ok_or_else(malformed)?.items()?;
    let mut ip = [0u16; 8];
    for (index, group) in ip.iter_mut().enumerate() {
        *group = number(groups.get(index))?;
    }
    Ok(SocketAddrV6::new(Ipv6Addr::from(ip), port, number(fields.get(1))?, number(fields.get(3))?).into())
}

fn record<T: Into<u64>>(numbers: impl IntoIterator<Item = T>) -> Value {
    Value::Record(numbers.into_iter().map(|n| Value::Int(n.into())).collect())
}

fn groups(ip: IpAddr) -> Value {
    match ip {
        IpAddr::V4(ip) => record(ip.octets()),
        IpAddr::V6(ip) => record(ip.segments()),
    }
}

/// `ip-socket-address` for a guest.
pub(super) fn lower(addr: SocketAddr) -> Value {
    let (port, ip) = (Value::Int(addr.port().into()), groups(addr.ip()));
    match addr {
        SocketAddr::V4(_) => Value::Case(0, Some(Box::new(Value::Record(vec![port, ip])))),
        SocketAddr::V6(v6) => {
            let fields = vec![port, v6.flowinfo().into(), ip, v6.scope_id().into()];
            Value::Case(1, Some(Box::new(Value::Record(fields))))
        }
    }
}

/// `ip-address` for a guest.
pub(super) fn lower_ip(ip: IpAddr) -> Value {
    Value::Case(u32::from(ip.is_ipv6()), Some(Box::new(groups(ip))))
}
