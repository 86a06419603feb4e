//! `wasi:cli`: environment, exit, standard streams.

use super::handles::Resource;
use super::io::{Empty, InputStream, OutputStream, SharedSink, SharedSource, Sink, StreamError};
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:cli/environment", "get-environment") => |s, _| {
            let pair = |(k, v): &(String, String)| Value::Record(vec![k.as_str().into(), v.as_str().into()]);
            done(Value::List(s.config.env.iter().map(pair).collect()))
        },
        ("wasi:cli/environment", "get-arguments") => {
            |s, _| done(Value::List(s.config.args.iter().map(|a| a.as_str().into()).collect()))
        }
        ("wasi:cli/environment", "initial-cwd") => |_, _| done(Value::option(None::<Value>)),
        ("wasi:cli/exit", "exit") => |_, a| {
            let (case, _) = arg(a, 0)?.as_case()?;
            Err(Trap::Exit(u32::from(case != 0)))
        },
        ("wasi:cli/exit", "exit-with-code") => |_, a| Err(Trap::Exit(arg(a, 0)?.u32()?)),
        ("wasi:cli/stdin", "get-stdin") => |s, _| {
            let stdin = s.stdio.stdin();
            let stdin = s.push(Resource::InputStream(InputStream(Box::new(stdin))))?;
            done(stdin)
        },
        ("wasi:cli/stdout", "get-stdout") => |s, _| {
            let stdout = s.stdio.stdout();
            push_sink(s, stdout)
        },
        ("wasi:cli/stderr", "get-stderr") => |s, _| {
            let stderr = s.stdio.stderr();
            push_sink(s, stderr)
        },
        _ => return None,
    })
}

fn push_sink(state: &mut State, sink: SharedSink) -> Result<Step, Trap> {
    let stream = state.push(Resource::OutputStream(OutputStream::new(sink)))?;
    done(stream)
}

/// Gets each line; the flag says that it came from standard error.
pub type Log = Arc<dyn Fn(bool, &str) + Send + Sync>;

/// Standard streams of one instance. A terminal is none of them, unless said so.
#[derive(Clone)]
pub struct Stdio {
    /// Standard input; none is an empty one.
    pub stdin: Option<SharedSource>,
    /// Standard output; none goes to the log.
    pub stdout: Option<SharedSink>,
    /// Standard error; none goes to the log.
    pub stderr: Option<SharedSink>,
    /// Gets whole lines of what goes to the log.
    pub log: Log,
    /// Which of the three are terminals, in that order.
    pub terminals: [bool; 3],
}

impl Stdio {
    /// Everything that is written goes to the log, and nothing can be read.
    pub fn logged(log: Log) -> Stdio {
        Stdio { stdin: None, stdout: None, stderr: None, log, terminals: [false; 3] }
    }

    pub(super) fn stdout(&mut self) -> SharedSink {
        let log = &self.log;
        self.stdout.get_or_insert_with(|| Arc::new(Mutex::new(Lines::new(log.clone(), false)))).clone()
    }

    pub(super) fn stderr(&mut self) -> SharedSink {
        let log = &self.log;
        self.stderr.get_or_insert_with(|| Arc::new(Mutex::new(Lines::new(log.clone(), true)))).clone()
    }

    pub(super) fn stdin(&mut self) -> SharedSource {
        self.stdin.get_or_insert_with(|| Arc::new(Mutex::new(Empty))).clone()
    }
}

impl std::fmt::Debug for Stdio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdio").field("terminals", &self.terminals).finish_non_exhaustive()
    }
}

/// Cuts what a guest writes into lines for the log.
struct Lines {
    log: Log,
    stderr: bool,
    partial: Vec<u8>,
}

/// A line longer than this is cut into several.
const MAX_LINE: usize = 8 * 1024;
/// What the log takes between two `check-write`s.
const LOG_SPACE: u64 = 64 * 1024;

impl Lines {
    fn new(log: Log, stderr: bool) -> Lines {
        Lines { log, stderr, partial: Vec::new() }
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(&bytes);
            (self.log)(self.stderr, text.trim_end_matches(['\n', '\r']));
        }
    }
}

impl Sink for Lines {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(LOG_SPACE)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            for piece in part.chunks(MAX_LINE) {
                self.partial.extend_from_slice(piece);
                if self.partial.ends_with(b"\n") || self.partial.len() >= MAX_LINE {
                    self.end_line();
                }
            }
        }
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}
