//! Arguments, environment, clocks, random bytes, and the end.

use super::call::{Answer, let_others, long, success, word};
use super::layout::{store, timestamp};
use super::{Errno, call::Stop};
use crate::host::{GuestMemory, State, Trap, random};
use std::time::SystemTime;

/// Random bytes are given in pieces of this size, between which others run.
const RANDOM_PIECE: u32 = 1 << 20;
/// `signal`s are numbered up to this.
const LAST_SIGNAL: u32 = 30;

pub(super) fn args_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    strings(memory, slots, state.config.args.iter().map(|arg| [arg.as_str(), "\0"].concat()))
}

pub(super) fn args_sizes_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    sizes(memory, slots, state.config.args.iter().map(|arg| arg.len() + 1))
}

pub(super) fn environ_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    strings(memory, slots, state.config.env.iter().map(|(name, value)| format!("{name}={value}\0")))
}

pub(super) fn environ_sizes_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    sizes(memory, slots, state.config.env.iter().map(|(name, value)| name.len() + value.len() + 2))
}

/// Stores pointers at the first argument, and what they point to at the second.
fn strings(memory: &mut GuestMemory<'_>, slots: &[u64], texts: impl Iterator<Item = String>) -> Answer {
    let (mut pointer, mut at) = (word(slots, 0), word(slots, 1));
    let beyond = || Trap::new("a pointer out of bounds of the memory");
    for text in texts {
        memory.write_int(pointer, 4, at.into())?;
        store(memory, at, text.as_bytes())?;
        pointer = pointer.checked_add(4).ok_or_else(beyond)?;
        at = at.checked_add(u32::try_from(text.len()).map_err(|_| beyond())?).ok_or_else(beyond)?;
    }
    success()
}

fn sizes(memory: &mut GuestMemory<'_>, slots: &[u64], lengths: impl Iterator<Item = usize>) -> Answer {
    let (count, bytes) = lengths.fold((0u64, 0u64), |(count, bytes), length| (count + 1, bytes + length as u64));
    for (index, number) in [count, bytes].into_iter().enumerate() {
        u32::try_from(number).map_err(|_| Errno::Overflow)?;
        memory.write_int(word(slots, index), 4, number)?;
    }
    success()
}

/// `clockid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Real,
    Monotonic,
    /// The CPU time of a process or thread, which is not told.
    Cpu,
}

impl Clock {
    pub(super) fn from_id(id: u32) -> Result<Clock, Errno> {
        match id {
            0 => Ok(Clock::Real),
            1 => Ok(Clock::Monotonic),
            2 | 3 => Ok(Clock::Cpu),
            _ => Err(Errno::Inval),
        }
    }

    /// Nanoseconds since 1970, or since the guest started.
    pub(super) fn now(self, state: &State) -> Result<u64, Errno> {
        match self {
            Clock::Real => Ok(timestamp(Some(SystemTime::now()))),
            Clock::Monotonic => Ok(state.nanoseconds()),
            Clock::Cpu => Err(Errno::Badf),
        }
    }
}

pub(super) fn clock_res_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    Clock::from_id(word(slots, 0))?.now(state)?;
    memory.write_int(word(slots, 1), 8, 1)?;
    success()
}

pub(super) fn clock_time_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let now = Clock::from_id(word(slots, 0))?.now(state)?;
    memory.write_int(word(slots, 2), 8, now)?;
    success()
}

pub(super) fn random_get(_: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (ptr, length) = (word(slots, 0), word(slots, 1));
    memory.read(ptr, length, 1)?;
    fill(memory, ptr, length)
}

fn fill(memory: &mut GuestMemory<'_>, ptr: u32, length: u32) -> Answer {
    let piece = length.min(RANDOM_PIECE);
    random::fill(memory.write(ptr, piece, 1)?)?;
    match length - piece {
        0 => success(),
        left => let_others(move |_, memory| fill(memory, ptr + piece, left)),
    }
}

pub(super) fn proc_exit(_: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    Err(Stop::Trap(Trap::Exit(word(slots, 0))))
}

/// There are no signals.
pub(super) fn proc_raise(_: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    Err(if word(slots, 0) > LAST_SIGNAL { Errno::Inval } else { Errno::Notsup }.into())
}

pub(super) fn sched_yield(_: &mut State, _: &mut GuestMemory<'_>, _: &[u64]) -> Answer {
    let_others(|_, _| success())
}

/// The parameters of `…_set_times` from `first` on: two times and what to do with them.
pub(super) fn new_times(slots: &[u64], first: usize) -> Result<[crate::host::files::NewTimestamp; 2], Errno> {
    use crate::host::files::NewTimestamp;
    let flags = super::call::flags(slots, first + 2, 0b1111)?;
    let time = |slot: usize, shift: u16| match flags >> shift & 0b11 {
        0 => Ok(NewTimestamp::NoChange),
        1 => {
            let since = std::time::Duration::from_nanos(long(slots, slot));
            SystemTime::UNIX_EPOCH.checked_add(since).map(NewTimestamp::At).ok_or(Errno::Overflow)
        }
        2 => Ok(NewTimestamp::Now),
        _ => Err(Errno::Inval),
    };
    Ok([time(first, 0)?, time(first + 1, 2)?])
}
