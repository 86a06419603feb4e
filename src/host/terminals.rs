//! `wasi:cli/terminal-*`: which of the standard streams are terminals. The resources can do nothing yet, by the WIT.

use super::handles::Resource;
use super::io::drop_of;
use super::value::Value;
use super::{Run, State, Step, Trap, done};

/// `terminal-input`.
#[derive(Debug)]
pub(super) struct TerminalInput;

/// `terminal-output`.
#[derive(Debug)]
pub(super) struct TerminalOutput;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:cli/terminal-stdin", "get-terminal-stdin") => |s, _| get(s, 0, Resource::TerminalInput(TerminalInput)),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout") => {
            |s, _| get(s, 1, Resource::TerminalOutput(TerminalOutput))
        }
        ("wasi:cli/terminal-stderr", "get-terminal-stderr") => {
            |s, _| get(s, 2, Resource::TerminalOutput(TerminalOutput))
        }
        ("wasi:cli/terminal-input", "[resource-drop]terminal-input") => |s, a| drop_of::<TerminalInput>(s, a),
        ("wasi:cli/terminal-output", "[resource-drop]terminal-output") => |s, a| drop_of::<TerminalOutput>(s, a),
        _ => return None,
    })
}

fn get(state: &mut State, stream: usize, terminal: Resource) -> Result<Step, Trap> {
    let terminal = if state.stdio.terminals[stream] { Some(state.push(terminal)?) } else { None };
    done(Value::option(terminal))
}
