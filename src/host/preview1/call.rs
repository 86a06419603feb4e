//! What the functions have in common: how they take arguments, answer, and work away from the guest.

use super::Errno;
use crate::host::value::{Value, pointer};
use crate::host::{GuestMemory, State, Step, Trap};
use std::io;

/// Why a function ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// With an error number.
    Errno(Errno),
    /// By ending the guest.
    Trap(Trap),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Errno(errno)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Errno(error.into())
    }
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Stop {
        Stop::Trap(trap)
    }
}

pub(super) type Answer = Result<Step, Stop>;

/// `success`.
pub(super) fn success() -> Answer {
    Ok(Step::Done(Some(Value::Int(0))))
}

pub(super) fn answer(answer: Answer) -> Result<Step, Trap> {
    match answer {
        Ok(step) => Ok(step),
        Err(Stop::Errno(errno)) => Ok(Step::Done(Some(Value::from(errno as u32)))),
        Err(Stop::Trap(trap)) => Err(trap),
    }
}

/// An `i32` argument.
pub(super) fn word(slots: &[u64], index: usize) -> u32 {
    pointer(long(slots, index))
}

/// An `i64` argument.
pub(super) fn long(slots: &[u64], index: usize) -> u64 {
    slots.get(index).copied().unwrap_or_default()
}

/// Flags, of which none is set that has no meaning.
pub(super) fn flags(slots: &[u64], index: usize, known: u16) -> Result<u16, Errno> {
    match u16::try_from(word(slots, index)) {
        Ok(flags) if flags & !known == 0 => Ok(flags),
        _ => Err(Errno::Inval),
    }
}

/// Waits, and goes on.
pub(super) fn wait(
    pollables: crate::host::io::Wait,
    then: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> Answer + Send + 'static,
) -> Answer {
    Ok(Step::Wait(pollables, Box::new(move |state, memory| answer(then(state, memory)))))
}

/// Does what may block, on a thread of its own unless this one may block too, and goes on with what came of it.
pub(super) fn job<T: Send + 'static>(
    state: &mut State,
    memory: &mut GuestMemory<'_>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
    then: impl FnOnce(&mut State, &mut GuestMemory<'_>, T) -> Answer + Send + 'static,
) -> Answer {
    if state.config.in_place {
        return work().map_err(Stop::from).and_then(|value| then(state, memory, value));
    }
    Ok(Step::Job(Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        let after: crate::host::After = Box::new(move |state, memory| {
            let done = done.map_err(|e| Trap::new(format!("a system call gave no answer: {e}")))?;
            answer(done.map_err(Stop::from).and_then(|value| then(state, memory, value)))
        });
        after
    })))
}

/// The same for what gives nothing back.
pub(super) fn unit_job(
    state: &mut State,
    memory: &mut GuestMemory<'_>,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Answer {
    job(state, memory, work, |_, _, ()| success())
}

/// Lets others run, and goes on.
pub(super) fn let_others(then: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> Answer + Send + 'static) -> Answer {
    Ok(Step::Job(Box::pin(async move {
        tokio::task::yield_now().await;
        let after: crate::host::After = Box::new(move |state, memory| answer(then(state, memory)));
        after
    })))
}
