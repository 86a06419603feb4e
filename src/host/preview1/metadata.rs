//! What a descriptor is, and what is done with it but reading and writing.

use super::Errno;
use super::call::{Answer, flags, job, long, success, unit_job, word};
use super::fds::{APPEND, Fd, Kind, NONBLOCK, Standard};
use super::layout::{CHARACTER_DEVICE, UNKNOWN, fdstat, filestat, filetype, prestat, store, stream_stat};
use super::process::new_times;
use crate::host::files::{Advice, DescriptorFlags, DescriptorType};
use crate::host::{GuestMemory, State};

/// `fdflags` that say when a write is done: `dsync`, `rsync`, `sync`.
const SYNCHRONOUS: u16 = 2 | 8 | 16;
/// All `fdflags`.
pub(super) const FDFLAGS: u16 = APPEND | NONBLOCK | SYNCHRONOUS;

/// Sets of `rights`.
mod rights {
    pub(super) const READ: u64 = 1 << 1;
    pub(super) const WRITE: u64 = 1 << 6;
    pub(super) const READDIR: u64 = 1 << 14;
    pub(super) const ALL: u64 = (1 << 30) - 1;
    /// Those that make sense for files alone: `fd_seek`, `path_filestat_set_size`, `fd_filestat_set_size`.
    pub(super) const OF_FILES: u64 = 1 << 2 | 1 << 19 | 1 << 22;
    /// What programs look for in a directory that they are given: all `path_…`, less the setting of sizes, `fd_readdir`,
    /// and the getting and setting of its own attributes.
    pub(super) const OF_PREOPENS: u64 = 0b111_1011_0111 << 16 | 0b1111_1110 << 8;
    /// The same, and what is done with files.
    pub(super) const BELOW_PREOPENS: u64 = OF_PREOPENS | 0b1_1111_1111 | 1 << 22 | 1 << 27;
}

/// `filetype` of a standard stream: terminals are known by it.
fn stream_type(state: &State, stream: Standard) -> u8 {
    let index = match stream {
        Standard::Input => 0,
        Standard::Output => 1,
        Standard::Error => 2,
    };
    if state.stdio.terminals[index] { CHARACTER_DEVICE } else { UNKNOWN }
}

pub(super) fn fd_fdstat_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let Fd { kind, flags } = state.fds().get(word(slots, 0))?;
    let flags = *flags;
    let (ty, rights) = match kind {
        &Kind::Standard(stream) => {
            let rights = if stream == Standard::Input { rights::READ } else { rights::WRITE };
            (stream_type(state, stream), [rights; 2])
        }
        Kind::Directory { preopen: Some(_), .. } => {
            (filetype(DescriptorType::Directory), [rights::OF_PREOPENS, rights::BELOW_PREOPENS])
        }
        Kind::Directory { dir, .. } => {
            (filetype(DescriptorType::Directory), [rights(dir.flags()) & !rights::OF_FILES; 2])
        }
        Kind::File { file, ty, .. } => (filetype(*ty), [rights(file.flags()); 2]),
    };
    fdstat(memory, word(slots, 1), ty, flags, rights)?;
    success()
}

fn rights(open: DescriptorFlags) -> u64 {
    let read = if open.read { 0 } else { rights::READ | rights::READDIR };
    let write = if open.write { 0 } else { rights::WRITE };
    rights::ALL & !read & !write
}

pub(super) fn fd_fdstat_set_flags(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let new = flags(slots, 1, FDFLAGS)?;
    let fd = state.fds().get_mut(word(slots, 0))?;
    if let Kind::Directory { .. } = fd.kind {
        return Err(Errno::Badf.into());
    }
    // When a write is done is settled when a file is opened.
    if new & SYNCHRONOUS & !fd.flags != 0 {
        return Err(Errno::Inval.into());
    }
    fd.flags = fd.flags & SYNCHRONOUS | new & (APPEND | NONBLOCK);
    success()
}

/// Rights are not enforced, so that taking some away would only seem to help.
pub(super) fn fd_fdstat_set_rights(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    state.fds().get(word(slots, 0))?.descriptor()?;
    Err(Errno::Notsup.into())
}

pub(super) fn fd_filestat_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let ptr = word(slots, 1);
    let fd = state.fds().get(word(slots, 0))?;
    if let Kind::Standard(stream) = fd.kind {
        stream_stat(memory, ptr, stream_type(state, stream))?;
        return success();
    }
    let descriptor = fd.descriptor()?.clone();
    job(
        state,
        memory,
        move || descriptor.stat(),
        move |_, memory, stat| {
            filestat(memory, ptr, &stat)?;
            success()
        },
    )
}

pub(super) fn fd_filestat_set_size(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let file = state.fds().get(word(slots, 0))?.file()?.clone();
    let size = long(slots, 1);
    unit_job(state, memory, move || file.set_size(size))
}

pub(super) fn fd_filestat_set_times(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let [accessed, modified] = new_times(slots, 1)?;
    let descriptor = state.fds().get(word(slots, 0))?.descriptor()?.clone();
    unit_job(state, memory, move || descriptor.set_times(accessed, modified))
}

pub(super) fn fd_advise(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let advice = *Advice::ALL.get(word(slots, 3) as usize).ok_or(Errno::Inval)?;
    let file = state.fds().get(word(slots, 0))?.file()?.clone();
    let (offset, length) = (long(slots, 1), long(slots, 2));
    unit_job(state, memory, move || file.advise(offset, length, advice))
}

/// Not every system can; WASI 0.2 has nothing like it either.
pub(super) fn fd_allocate(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    state.fds().get(word(slots, 0))?.file()?;
    Err(Errno::Notsup.into())
}

pub(super) fn fd_sync(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let descriptor = state.fds().get(word(slots, 0))?.descriptor()?.clone();
    unit_job(state, memory, move || descriptor.sync())
}

pub(super) fn fd_datasync(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let descriptor = state.fds().get(word(slots, 0))?.descriptor()?.clone();
    unit_job(state, memory, move || descriptor.sync_data())
}

pub(super) fn fd_close(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    state.fds().close(word(slots, 0))?;
    success()
}

pub(super) fn fd_renumber(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    state.fds().renumber(word(slots, 0), word(slots, 1))?;
    success()
}

pub(super) fn fd_prestat_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let Kind::Directory { preopen: Some(name), .. } = &state.fds().get(word(slots, 0))?.kind else {
        return Err(Errno::Badf.into());
    };
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    prestat(memory, word(slots, 1), length)?;
    success()
}

pub(super) fn fd_prestat_dir_name(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let Kind::Directory { preopen: Some(name), .. } = &state.fds().get(word(slots, 0))?.kind else {
        return Err(Errno::Notdir.into());
    };
    if name.len() > word(slots, 2) as usize {
        return Err(Errno::Nametoolong.into());
    }
    store(memory, word(slots, 1), name.as_bytes())?;
    success()
}
