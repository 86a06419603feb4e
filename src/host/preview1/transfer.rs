//! Reading and writing: files where the descriptor stands or at an offset, standard streams as they come.

use super::Errno;
use super::call::{Answer, Stop, job, long, success, wait, word};
use super::fds::{APPEND, Fd, Kind, NONBLOCK, Standard};
use super::layout::Vectors;
use crate::host::files::Descriptor;
use crate::host::io::{StreamError, lock};
use crate::host::{GuestMemory, State, Trap};
use bytes::{Bytes, BytesMut};
use std::io;

/// Where in a file a transfer happens.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Where the descriptor stands, which moves on.
    Here,
    At(u64),
}

/// What a transfer is about: the descriptor, its vectors, and where the guest wants to be told how much it was.
struct Transfer {
    fd: u32,
    vectors: Vectors,
    place: Place,
    told: u32,
}

impl Transfer {
    fn here(memory: &GuestMemory<'_>, slots: &[u64]) -> Result<Transfer, Trap> {
        let vectors = Vectors::read(memory, word(slots, 1), word(slots, 2))?;
        Ok(Transfer { fd: word(slots, 0), vectors, place: Place::Here, told: word(slots, 3) })
    }

    fn at(memory: &GuestMemory<'_>, slots: &[u64]) -> Result<Transfer, Trap> {
        let vectors = Vectors::read(memory, word(slots, 1), word(slots, 2))?;
        Ok(Transfer { fd: word(slots, 0), vectors, place: Place::At(long(slots, 3)), told: word(slots, 4) })
    }

    fn tell(&self, memory: &mut GuestMemory<'_>, bytes: usize) -> Answer {
        memory.write_int(self.told, 4, bytes as u64)?;
        success()
    }

    /// The offset to transfer at, given where the descriptor stands.
    fn offset(&self, position: u64) -> u64 {
        match self.place {
            Place::Here => position,
            Place::At(offset) => offset,
        }
    }

    /// Moves the descriptor, if that is where the transfer was.
    fn advance(&self, state: &mut State, to: Option<u64>) -> Result<(), Stop> {
        if let (Place::Here, Kind::File { position, .. }) = (self.place, &mut state.fds().get_mut(self.fd)?.kind) {
            *position = to.ok_or(Errno::Overflow)?;
        }
        Ok(())
    }
}

pub(super) fn fd_read(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    read(state, memory, Transfer::here(memory, slots)?)
}

pub(super) fn fd_pread(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    read(state, memory, Transfer::at(memory, slots)?)
}

pub(super) fn fd_write(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    write(state, memory, Transfer::here(memory, slots)?)
}

pub(super) fn fd_pwrite(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    write(state, memory, Transfer::at(memory, slots)?)
}

fn read(state: &mut State, memory: &mut GuestMemory<'_>, transfer: Transfer) -> Answer {
    match state.fds().get(transfer.fd)? {
        Fd { kind: Kind::Standard(Standard::Input), flags } => match transfer.place {
            Place::Here => {
                let may_wait = flags & NONBLOCK == 0;
                read_stream(state, memory, transfer, may_wait)
            }
            Place::At(_) => Err(Errno::Spipe.into()),
        },
        Fd { kind: Kind::File { file, position, .. }, .. } => {
            let (file, offset, length) = (file.clone(), transfer.offset(*position), transfer.vectors.length());
            job(
                state,
                memory,
                move || read_whole(&file, length, offset),
                move |state, memory, bytes| {
                    transfer.vectors.scatter(memory, &bytes)?;
                    transfer.advance(state, offset.checked_add(bytes.len() as u64))?;
                    transfer.tell(memory, bytes.len())
                },
            )
        }
        _ => Err(Errno::Badf.into()),
    }
}

/// Reads until the end, or until there is nothing more for now.
fn read_whole(file: &Descriptor, length: usize, offset: u64) -> io::Result<Bytes> {
    let first = file.read_at(length, offset)?;
    if first.len() == length || first.is_empty() {
        return Ok(first);
    }
    let mut all = BytesMut::from(&first[..]);
    while all.len() < length {
        match file.read_at(length - all.len(), offset.saturating_add(all.len() as u64)) {
            Ok(more) if more.is_empty() => break,
            Ok(more) => all.extend_from_slice(&more),
            // What was read is told first; whoever asks again gets the error.
            Err(_) => break,
        }
    }
    Ok(all.freeze())
}

fn read_stream(state: &mut State, memory: &mut GuestMemory<'_>, transfer: Transfer, may_wait: bool) -> Answer {
    let length = transfer.vectors.length();
    if length == 0 {
        return transfer.tell(memory, 0);
    }
    let stdin = state.stdio.stdin();
    let read = lock(&stdin).read(length);
    match read {
        Ok(bytes) if bytes.is_empty() && may_wait => {
            wait(vec![Standard::Input.pollable()], |state, memory| read_stream(state, memory, transfer, true))
        }
        Ok(bytes) if bytes.is_empty() => Err(Errno::Again.into()),
        Ok(bytes) => {
            transfer.vectors.scatter(memory, &bytes)?;
            transfer.tell(memory, bytes.len())
        }
        Err(StreamError::Closed) => transfer.tell(memory, 0),
        Err(error) => Err(Errno::from(error).into()),
    }
}

fn write(state: &mut State, memory: &mut GuestMemory<'_>, transfer: Transfer) -> Answer {
    let fd = state.fds().get(transfer.fd)?;
    match &fd.kind {
        Kind::Standard(stream @ (Standard::Output | Standard::Error)) => match transfer.place {
            Place::Here => {
                let (stream, may_wait) = (*stream, fd.flags & NONBLOCK == 0);
                let bytes = transfer.vectors.gather(memory)?;
                write_stream(state, memory, transfer, stream, bytes, may_wait)
            }
            Place::At(_) => Err(Errno::Spipe.into()),
        },
        Kind::File { file, position, .. } => {
            let (file, offset) = (file.clone(), transfer.offset(*position));
            let append = fd.flags & APPEND != 0;
            let bytes = transfer.vectors.gather(memory)?;
            job(
                state,
                memory,
                move || write_whole(&file, &bytes, offset, append),
                move |state, memory, (bytes, end)| {
                    transfer.advance(state, end)?;
                    transfer.tell(memory, bytes)
                },
            )
        }
        _ => Err(Errno::Badf.into()),
    }
}

/// Writes all, or what can be written; says how much that was, and where it ends. Who appends does so also with an offset,
/// as on Linux.
fn write_whole(file: &Descriptor, bytes: &[u8], offset: u64, append: bool) -> io::Result<(usize, Option<u64>)> {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        let more = match append {
            true => file.append(rest),
            false => file.write_at(rest, offset.saturating_add(written as u64)),
        };
        match more {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if written == 0 => return Err(error),
            Err(_) => break,
        }
    }
    let end = if append { Some(file.stat()?.size) } else { offset.checked_add(written as u64) };
    Ok((written, end))
}

/// Hands all bytes on, as a pipe takes them; what may not wait hands on what is taken now.
fn write_stream(
    state: &mut State,
    memory: &mut GuestMemory<'_>,
    transfer: Transfer,
    stream: Standard,
    mut rest: Bytes,
    may_wait: bool,
) -> Answer {
    let shared = if stream == Standard::Error { state.stdio.stderr() } else { state.stdio.stdout() };
    let mut sink = lock(&shared);
    let mut written = transfer.vectors.length() - rest.len();
    let stopped = loop {
        if rest.is_empty() {
            return transfer.tell(memory, written);
        }
        let space = match sink.space() {
            Ok(space) => usize::try_from(space).unwrap_or(usize::MAX),
            Err(error) => break Errno::from(error),
        };
        if space == 0 && may_wait {
            return wait(vec![stream.pollable()], move |state, memory| {
                write_stream(state, memory, transfer, stream, rest, true)
            });
        }
        if space == 0 {
            break Errno::Again;
        }
        let now = rest.split_to(rest.len().min(space));
        let length = now.len();
        if let Err(error) = sink.write(now) {
            break error.into();
        }
        written += length;
    };
    match written {
        0 => Err(stopped.into()),
        // Whoever writes on gets the error.
        written => transfer.tell(memory, written),
    }
}

pub(super) fn fd_seek(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (fd, by, told) = (word(slots, 0), long(slots, 1).cast_signed(), word(slots, 3));
    let (file, position) = seekable(state, fd)?;
    match word(slots, 2) {
        0 => seek(state, memory, fd, u64::try_from(by).ok(), told),
        1 => seek(state, memory, fd, position.checked_add_signed(by), told),
        2 => job(
            state,
            memory,
            move || file.stat().map(|stat| stat.size),
            move |state, memory, size| seek(state, memory, fd, size.checked_add_signed(by), told),
        ),
        _ => Err(Errno::Inval.into()),
    }
}

fn seek(state: &mut State, memory: &mut GuestMemory<'_>, fd: u32, to: Option<u64>, told: u32) -> Answer {
    let to = to.ok_or(Errno::Inval)?;
    if let Kind::File { position, .. } = &mut state.fds().get_mut(fd)?.kind {
        *position = to;
    }
    memory.write_int(told, 8, to)?;
    success()
}

pub(super) fn fd_tell(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (_, position) = seekable(state, word(slots, 0))?;
    memory.write_int(word(slots, 1), 8, position)?;
    success()
}

fn seekable(state: &mut State, fd: u32) -> Result<(Descriptor, u64), Errno> {
    match &state.fds().get(fd)?.kind {
        Kind::File { file, position, .. } => Ok((file.clone(), *position)),
        Kind::Standard(_) => Err(Errno::Spipe),
        Kind::Directory { .. } => Err(Errno::Badf),
    }
}
