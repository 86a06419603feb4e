//! Socket options, on any socket of the system.

use super::Code;
use super::address::Family;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::sockopt;
use std::time::Duration;

/// The ranges that Linux has, which are the narrowest: seconds of a time, and a count.
const MAX_KEEP_ALIVE_SECS: u64 = i16::MAX.unsigned_abs() as u64;
const MAX_KEEP_ALIVE_COUNT: u32 = i8::MAX.unsigned_abs() as u32;

/// Zero is an error for all options that are numbers.
fn positive<T: PartialEq + Default>(value: T) -> Result<T, Code> {
    if value == T::default() { Err(Code::InvalidArgument) } else { Ok(value) }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Whole seconds: never rounded to none.
fn seconds(nanos: u64) -> Duration {
    Duration::from_secs(nanos.div_ceil(1_000_000_000).clamp(1, MAX_KEEP_ALIVE_SECS))
}

pub(super) fn keep_alive(fd: BorrowedFd<'_>) -> Result<bool, Code> {
    Ok(sockopt::socket_keepalive(fd)?)
}

pub(super) fn set_keep_alive(fd: BorrowedFd<'_>, on: bool) -> Result<(), Code> {
    Ok(sockopt::set_socket_keepalive(fd, on)?)
}

pub(super) fn keep_alive_idle_time(fd: BorrowedFd<'_>) -> Result<u64, Code> {
    Ok(nanos(sockopt::tcp_keepidle(fd)?))
}

pub(super) fn set_keep_alive_idle_time(fd: BorrowedFd<'_>, nanos: u64) -> Result<(), Code> {
    Ok(sockopt::set_tcp_keepidle(fd, seconds(positive(nanos)?))?)
}

pub(super) fn keep_alive_interval(fd: BorrowedFd<'_>) -> Result<u64, Code> {
    Ok(nanos(sockopt::tcp_keepintvl(fd)?))
}

pub(super) fn set_keep_alive_interval(fd: BorrowedFd<'_>, nanos: u64) -> Result<(), Code> {
    Ok(sockopt::set_tcp_keepintvl(fd, seconds(positive(nanos)?))?)
}

pub(super) fn keep_alive_count(fd: BorrowedFd<'_>) -> Result<u32, Code> {
    Ok(sockopt::tcp_keepcnt(fd)?)
}

pub(super) fn set_keep_alive_count(fd: BorrowedFd<'_>, count: u32) -> Result<(), Code> {
    Ok(sockopt::set_tcp_keepcnt(fd, positive(count)?.min(MAX_KEEP_ALIVE_COUNT))?)
}

pub(super) fn hop_limit(fd: BorrowedFd<'_>, family: Family) -> Result<u64, Code> {
    Ok(match family {
        Family::Ipv4 => sockopt::ip_ttl(fd)?.min(u8::MAX.into()).into(),
        Family::Ipv6 => sockopt::ipv6_unicast_hops(fd)?.into(),
    })
}

pub(super) fn set_hop_limit(fd: BorrowedFd<'_>, family: Family, hops: u8) -> Result<(), Code> {
    let hops = positive(hops)?;
    match family {
        Family::Ipv4 => sockopt::set_ip_ttl(fd, hops.into())?,
        Family::Ipv6 => sockopt::set_ipv6_unicast_hops(fd, Some(hops))?,
    }
    Ok(())
}

/// Linux answers with twice what was asked for, which includes its own overhead.
fn buffer(size: usize) -> u64 {
    let overhead = if cfg!(target_os = "linux") { 2 } else { 1 };
    (size / overhead) as u64
}

fn buffer_size(size: u64) -> Result<usize, Code> {
    let most = i32::MAX.unsigned_abs();
    Ok(usize::try_from(positive(size)?.min(most.into())).unwrap_or(usize::MAX))
}

/// A size is a wish: that the system has less is no error.
fn wished(set: Result<(), Errno>) -> Result<(), Code> {
    match set {
        Ok(()) | Err(Errno::NOBUFS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn receive_buffer_size(fd: BorrowedFd<'_>) -> Result<u64, Code> {
    Ok(buffer(sockopt::socket_recv_buffer_size(fd)?))
}

pub(super) fn set_receive_buffer_size(fd: BorrowedFd<'_>, size: u64) -> Result<(), Code> {
    wished(sockopt::set_socket_recv_buffer_size(fd, buffer_size(size)?))
}

pub(super) fn send_buffer_size(fd: BorrowedFd<'_>) -> Result<u64, Code> {
    Ok(buffer(sockopt::socket_send_buffer_size(fd)?))
}

pub(super) fn set_send_buffer_size(fd: BorrowedFd<'_>, size: u64) -> Result<(), Code> {
    wished(sockopt::set_socket_send_buffer_size(fd, buffer_size(size)?))
}
