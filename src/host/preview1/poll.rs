//! `poll_oneoff`.

use super::Errno;
use super::call::{Answer, job, success, wait, word};
use super::fds::{Kind, Standard};
use super::layout::{Awaited, EVENT, SUBSCRIPTION, Subscription, event, store};
use super::process::Clock;
use crate::host::files::Descriptor;
use crate::host::io::Pollable;
use crate::host::{GuestMemory, State, clocks};
use std::task::{Context, Waker};

/// More subscriptions at once are refused: each costs the host a look at every event.
const MAX_SUBSCRIPTIONS: u32 = 4_096;
/// `subclockflags.subscription_clock_abstime`.
const ABSOLUTE: u16 = 1;

/// A subscription and what it waits for. Files are always ready, and say how much is left of them.
struct Waiting {
    subscription: Subscription,
    pollable: Pollable,
    file: Option<(Descriptor, u64)>,
    /// Bytes that can be transferred.
    bytes: u64,
}

pub(super) fn poll_oneoff(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (from, to, count, told) = (word(slots, 0), word(slots, 1), word(slots, 2), word(slots, 3));
    match count {
        // To sleep for ever is no use of it.
        0 => return Err(Errno::Inval.into()),
        1..=MAX_SUBSCRIPTIONS => {}
        _ => return Err(Errno::Nomem.into()),
    }
    memory.write(to, count * EVENT, 8)?;
    let records = memory.read(from, count * SUBSCRIPTION, 8)?.chunks_exact(SUBSCRIPTION as usize);
    let waiting = records.map(|record| look(state, Subscription::parse(record)?)).collect::<Result<Vec<_>, _>>()?;
    if waiting.iter().all(|one| one.file.is_none()) {
        return wait_for(waiting, to, told);
    }
    job(
        state,
        memory,
        move || {
            let mut waiting = waiting;
            for one in &mut waiting {
                if let Some((file, position)) = &one.file {
                    one.bytes = file.stat()?.size.saturating_sub(*position);
                }
            }
            Ok(waiting)
        },
        move |_, _, waiting| wait_for(waiting, to, told),
    )
}

/// What a subscription waits for.
fn look(state: &mut State, subscription: Subscription) -> Result<Waiting, Errno> {
    let (mut file, mut bytes) = (None, 1);
    let pollable = match subscription.awaited {
        Awaited::Clock { id, timeout, flags } => {
            bytes = 0;
            let clock = Clock::from_id(id)?;
            if flags & !ABSOLUTE != 0 || clock == Clock::Cpu {
                return Err(Errno::Inval);
            }
            let passed = if flags == ABSOLUTE { clock.now(state)? } else { 0 };
            Pollable::At(clocks::later(timeout.saturating_sub(passed)))
        }
        Awaited::Read(fd) => match &state.fds().get(fd)?.kind {
            Kind::Standard(Standard::Input) => Pollable::Stdin,
            Kind::File { file: open, position, .. } => {
                file = Some((open.clone(), *position));
                Pollable::Ready
            }
            _ => return Err(Errno::Badf),
        },
        Awaited::Write(fd) => match &state.fds().get(fd)?.kind {
            Kind::Standard(stream @ (Standard::Output | Standard::Error)) => stream.pollable(),
            Kind::File { .. } => Pollable::Ready,
            _ => return Err(Errno::Badf),
        },
    };
    Ok(Waiting { subscription, pollable, file, bytes })
}

/// Waits for one of them, and tells which are ready.
fn wait_for(waiting: Vec<Waiting>, to: u32, told: u32) -> Answer {
    let pollables = waiting.iter().map(|one| one.pollable).collect();
    wait(pollables, move |state, memory| {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut events = Vec::new();
        for one in &waiting {
            if state.poll_ready(one.pollable, cx).is_ready() {
                let hangup = one.file.is_some() && one.bytes == 0;
                events.extend_from_slice(&event(&one.subscription, one.bytes, hangup));
            }
        }
        store(memory, to, &events)?;
        memory.write_int(told, 4, events.len() as u64 / u64::from(EVENT))?;
        success()
    })
}
