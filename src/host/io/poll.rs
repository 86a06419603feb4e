//! `wasi:io/poll`.

use super::{Sink, Source};
use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle, nothing};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, sleep_until};

/// What a pollable waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pollable {
    /// Always ready.
    Ready,
    /// Ready from a point in time on.
    At(Instant),
    /// Ready when the resource behind a handle is; the pollable is its child.
    Resource(u32),
    /// Ready when standard input can be read.
    Stdin,
    /// Ready when standard output takes bytes.
    Stdout,
    /// Ready when standard error takes bytes.
    Stderr,
}

/// Pollables of which at least one must become ready.
pub type Wait = Vec<Pollable>;

/// More pollables at once trap: each costs the host a look at every event.
const MAX_POLLABLES: usize = 4_096;

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "[method]pollable.ready" => |s, a| {
            let pollable = *s.handles.get(handle(a, 0)?)?;
            let ready = s.poll_ready(pollable, &mut Context::from_waker(Waker::noop())).is_ready();
            done(ready)
        },
        "[method]pollable.block" => |s, a| {
            let pollable = *s.handles.get(handle(a, 0)?)?;
            Ok(Step::wait(vec![pollable], |_| nothing()))
        },
        "poll" => |s, a| {
            let items = arg(a, 0)?.items()?;
            if items.is_empty() {
                return Err(Trap::new("`poll` of an empty list"));
            }
            if items.len() > MAX_POLLABLES {
                return Err(Trap::new(format!("`poll` of more than {MAX_POLLABLES} pollables")));
            }
            let wait: Wait = items.iter().map(|i| s.handles.get(i.u32()?).copied()).collect::<Result<_, _>>()?;
            Ok(Step::wait(wait.clone(), move |s| {
                let cx = &mut Context::from_waker(Waker::noop());
                let ready = (0u32..).zip(wait).filter(|(_, p)| s.poll_ready(*p, cx).is_ready());
                done(Value::List(ready.map(|(i, _)| Value::from(i)).collect()))
            }))
        },
        "[resource-drop]pollable" => |s, a| super::drop_of::<Pollable>(s, a),
        _ => return None,
    })
}

/// Makes a pollable, as a child of what it watches.
pub(in crate::host) fn subscribe(state: &mut State, parent: u32) -> Result<Step, Trap> {
    let index = state.handles.push(Resource::Pollable(Pollable::Resource(parent)), Some(parent))?;
    done(index)
}

impl State {
    /// Waits until one of `wait` is ready.
    pub async fn wait(&mut self, wait: &[Pollable]) {
        let timer = wait.iter().filter_map(|p| if let Pollable::At(at) = p { Some(*at) } else { None }).min();
        let mut timer = timer.map(|at| Box::pin(sleep_until(at)));
        poll_fn(|cx| {
            if wait.iter().any(|p| self.poll_ready(*p, cx).is_ready()) {
                return Poll::Ready(());
            }
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether a pollable is ready; if not, `cx` is woken when that changes. Timers are left to [`State::wait`]. What a
    /// pollable watches cannot be gone, since it is the parent; if it were, waiting for it would be over.
    pub(in crate::host) fn poll_ready(&mut self, pollable: Pollable, cx: &mut Context<'_>) -> Poll<()> {
        match pollable {
            Pollable::Ready => Poll::Ready(()),
            Pollable::At(at) if Instant::now() >= at => Poll::Ready(()),
            Pollable::At(_) => Poll::Pending,
            Pollable::Resource(index) => self.handles.poll_ready(index, cx),
            Pollable::Stdin => self.stdio.stdin().poll_ready(cx),
            Pollable::Stdout => self.stdio.stdout().poll_ready(cx),
            Pollable::Stderr => self.stdio.stderr().poll_ready(cx),
        }
    }
}
