//! `wasi:cli`: environment, exit, standard streams. No stream is a terminal.

use super::handles::Resource;
use super::io::{InputStream, OutputStream, Sink};
use super::value::Value;
use super::{Run, State, Step, Trap, arg, done};

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
            Err(Trap::Exit(u8::from(case != 0)))
        },
        ("wasi:cli/exit", "exit-with-code") => |_, a| Err(Trap::Exit((arg(a, 0)?.u64()? & 0xff) as u8)),
        ("wasi:cli/stdin", "get-stdin") => |s, _| {
            let stdin = s.push(Resource::InputStream(InputStream::Empty))?;
            done(stdin)
        },
        ("wasi:cli/stdout", "get-stdout") => |s, _| log_stream(s, Sink::Stdout),
        ("wasi:cli/stderr", "get-stderr") => |s, _| log_stream(s, Sink::Stderr),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin")
        | ("wasi:cli/terminal-stdout", "get-terminal-stdout")
        | ("wasi:cli/terminal-stderr", "get-terminal-stderr") => |_, _| done(Value::option(None::<Value>)),
        _ => return None,
    })
}

fn log_stream(state: &mut State, sink: Sink) -> Result<Step, Trap> {
    let stream = state.push(Resource::OutputStream(OutputStream { sink, permit: 0 }))?;
    done(stream)
}

/// Gets each line; the flag says that it came from standard error.
type Line = Box<dyn FnMut(bool, &str) + Send + Sync>;

/// Where a guest's standard output and error go: whole lines, each with its stream.
pub struct GuestLog {
    line: Line,
    partial: [Vec<u8>; 2],
}

/// A line longer than this is cut into several.
const MAX_LINE: usize = 8 * 1024;

impl GuestLog {
    /// Calls `line` for each line; the flag says that it came from standard error.
    pub fn new(line: impl FnMut(bool, &str) + Send + Sync + 'static) -> GuestLog {
        GuestLog { line: Box::new(line), partial: [Vec::new(), Vec::new()] }
    }

    pub(super) fn write(&mut self, stderr: bool, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            for piece in part.chunks(MAX_LINE) {
                let partial = &mut self.partial[usize::from(stderr)];
                partial.extend_from_slice(piece);
                if partial.ends_with(b"\n") || partial.len() >= MAX_LINE {
                    self.flush(stderr);
                }
            }
        }
    }

    fn flush(&mut self, stderr: bool) {
        let bytes = std::mem::take(&mut self.partial[usize::from(stderr)]);
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(&bytes);
            (self.line)(stderr, text.trim_end_matches(['\n', '\r']));
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        self.flush(false);
        self.flush(true);
    }
}

impl std::fmt::Debug for GuestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GuestLog")
    }
}
