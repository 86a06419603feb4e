//! `directory-entry-stream`: entries are read as the guest asks for them, some at a time.

use super::work::job;
use super::{DirectoryEntry, Entries, functions};
use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{State, Step, Trap, done};
use std::collections::VecDeque;
use std::io;

/// Entries that are read at once, each of which may have a name of 255 bytes.
const BATCH: usize = 64;

/// The entries of a directory.
#[derive(Debug)]
pub(in crate::host) struct DirectoryEntryStream {
    read: VecDeque<io::Result<DirectoryEntry>>,
    /// None while a batch is read.
    rest: Option<Entries>,
}

/// `read-directory`.
pub(super) fn read_directory(state: &mut State, handle: u32) -> Result<Step, Trap> {
    functions::call(
        state,
        handle,
        |d| d.read_directory(),
        |state, entries| {
            let stream = DirectoryEntryStream { read: VecDeque::new(), rest: Some(entries) };
            state.push(Resource::DirectoryEntryStream(stream))
        },
    )
}

/// `read-directory-entry`.
pub(super) fn read_entry(state: &mut State, handle: u32) -> Result<Step, Trap> {
    let stream: &mut DirectoryEntryStream = state.handles.get_mut(handle)?;
    if let Some(entry) = stream.read.pop_front() {
        return answer(Some(entry));
    }
    let Some(mut rest) = stream.rest.take() else { return answer(None) };
    let work = move || (rest.by_ref().take(BATCH).collect::<VecDeque<_>>(), rest);
    Ok(job(state, work, move |state, (read, rest)| {
        let stream: &mut DirectoryEntryStream = state.handles.get_mut(handle)?;
        *stream = DirectoryEntryStream { read, rest: Some(rest) };
        answer(stream.read.pop_front())
    }))
}

fn answer(entry: Option<io::Result<DirectoryEntry>>) -> Result<Step, Trap> {
    let entry = entry.transpose().map(|entry| {
        Value::option(entry.map(|entry| Value::Record(vec![Value::case(entry.ty as u32), entry.name.into()])))
    });
    done(functions::result(entry))
}
