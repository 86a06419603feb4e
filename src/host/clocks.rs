//! `wasi:clocks`.

use super::handles::Resource;
use super::io::Pollable;
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => |s, _| done(s.nanoseconds()),
        ("wasi:clocks/monotonic-clock", "resolution") => |_, _| done(1u64),
        ("wasi:clocks/monotonic-clock", "subscribe-instant") => |s, a| {
            let when = arg(a, 0)?.u64()?.saturating_sub(s.nanoseconds());
            after(s, when)
        },
        ("wasi:clocks/monotonic-clock", "subscribe-duration") => |s, a| after(s, arg(a, 0)?.u64()?),
        ("wasi:clocks/wall-clock", "now") => |_, _| {
            // A clock set before 1970 reads as 1970.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            done(datetime(now))
        },
        ("wasi:clocks/wall-clock", "resolution") => |_, _| done(datetime(Duration::from_nanos(1))),
        _ => return None,
    })
}

impl State {
    /// The guest's clock starts when the guest does: how long the host has been up is not its business.
    pub(super) fn nanoseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn after(state: &mut State, nanoseconds: u64) -> Result<Step, Trap> {
    let index = state.handles.push(Resource::Pollable(Pollable::At(later(nanoseconds))), None)?;
    done(index)
}

/// In so many nanoseconds.
pub(super) fn later(nanoseconds: u64) -> Instant {
    let at = Instant::now().checked_add(Duration::from_nanos(nanoseconds));
    // Beyond the end of time: no request lasts that long.
    at.unwrap_or_else(|| Instant::now() + Duration::from_secs(u32::MAX.into()))
}

fn datetime(duration: Duration) -> Value {
    Value::Record(vec![Value::from(duration.as_secs()), Value::from(duration.subsec_nanos())])
}
