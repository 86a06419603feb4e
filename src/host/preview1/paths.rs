//! What is done with paths below a directory.

use super::Errno;
use super::call::{Answer, Stop, flags, job, long, success, unit_job, word};
use super::fds::{Fd, Kind};
use super::layout::{filestat, path, store};
use super::metadata::FDFLAGS;
use super::process::new_times;
use crate::host::files::{Descriptor, DescriptorFlags, OpenFlags};
use crate::host::{GuestMemory, State};

/// The directory at a slot, and the path in the two slots behind it and `gap` others.
fn place(
    state: &mut State,
    memory: &GuestMemory<'_>,
    slots: &[u64],
    slot: usize,
    gap: usize,
) -> Result<(Descriptor, String), Stop> {
    let dir = state.fds().get(word(slots, slot))?.dir()?.clone();
    let at = slot + gap + 1;
    Ok((dir, path(memory, word(slots, at), word(slots, at + 1))?))
}

/// `lookupflags`: whether a symbolic link at the end of the path is followed.
fn follow(slots: &[u64], slot: usize) -> Result<bool, Errno> {
    flags(slots, slot, 1).map(|flags| flags == 1)
}

pub(super) fn path_create_directory(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (dir, path) = place(state, memory, slots, 0, 0)?;
    unit_job(state, memory, move || dir.create_directory_at(&path))
}

pub(super) fn path_remove_directory(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (dir, path) = place(state, memory, slots, 0, 0)?;
    unit_job(state, memory, move || dir.remove_directory_at(&path))
}

pub(super) fn path_unlink_file(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (dir, path) = place(state, memory, slots, 0, 0)?;
    unit_job(state, memory, move || dir.unlink_file_at(&path))
}

pub(super) fn path_filestat_get(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (follow, told) = (follow(slots, 1)?, word(slots, 4));
    let (dir, path) = place(state, memory, slots, 0, 1)?;
    job(
        state,
        memory,
        move || dir.stat_at(follow, &path),
        move |_, memory, stat| {
            filestat(memory, told, &stat)?;
            success()
        },
    )
}

pub(super) fn path_filestat_set_times(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (follow, [accessed, modified]) = (follow(slots, 1)?, new_times(slots, 4)?);
    let (dir, path) = place(state, memory, slots, 0, 1)?;
    unit_job(state, memory, move || dir.set_times_at(follow, &path, accessed, modified))
}

pub(super) fn path_link(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let follow = follow(slots, 1)?;
    let (dir, old) = place(state, memory, slots, 0, 1)?;
    let (new_dir, new) = place(state, memory, slots, 4, 0)?;
    unit_job(state, memory, move || dir.link_at(follow, &old, &new_dir, &new))
}

pub(super) fn path_rename(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (dir, old) = place(state, memory, slots, 0, 0)?;
    let (new_dir, new) = place(state, memory, slots, 3, 0)?;
    unit_job(state, memory, move || dir.rename_at(&old, &new_dir, &new))
}

pub(super) fn path_symlink(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (dir, new) = place(state, memory, slots, 2, 0)?;
    let old = path(memory, word(slots, 0), word(slots, 1))?;
    unit_job(state, memory, move || dir.symlink_at(&old, &new))
}

pub(super) fn path_readlink(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (buffer, length, told) = (word(slots, 3), word(slots, 4), word(slots, 5));
    let (dir, path) = place(state, memory, slots, 0, 0)?;
    job(
        state,
        memory,
        move || dir.readlink_at(&path),
        move |_, memory, contents| {
            let most = contents.len().min(length as usize);
            store(memory, buffer, &contents.as_bytes()[..most])?;
            memory.write_int(told, 4, most as u64)?;
            success()
        },
    )
}

pub(super) fn path_open(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (follow, told) = (follow(slots, 1)?, word(slots, 8));
    let how = OpenFlags::from_bits(flags(slots, 4, 0b1111)?.into());
    let (rights, fdflags) = (long(slots, 5), flags(slots, 7, FDFLAGS)?);
    let want = DescriptorFlags {
        read: rights & 1 << 1 != 0,
        write: rights & 1 << 6 != 0,
        data_sync: fdflags & 2 != 0,
        read_sync: fdflags & 8 != 0,
        file_sync: fdflags & 16 != 0,
        ..DescriptorFlags::default()
    };
    if let Kind::File { .. } = state.fds().get(word(slots, 0))?.kind {
        return Err(Errno::Notdir.into());
    }
    let (dir, path) = place(state, memory, slots, 0, 1)?;
    job(
        state,
        memory,
        move || {
            let opened = dir.open_at(follow, &path, how, want)?;
            let ty = opened.descriptor_type()?;
            Ok((opened, ty))
        },
        move |state, memory, (opened, ty)| {
            let fd = match opened.is_directory() {
                true => Fd { kind: Kind::Directory { dir: opened, preopen: None, listing: None }, flags: 0 },
                false => Fd { kind: Kind::File { file: opened, ty, position: 0 }, flags: fdflags },
            };
            let fd = state.fds().push(fd)?;
            memory.write_int(told, 4, fd.into())?;
            success()
        },
    )
}
