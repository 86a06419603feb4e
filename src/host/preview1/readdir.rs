//! `fd_readdir`: a directory is read on from where the last call ended, and anew where a guest goes back.

use super::call::{Answer, job, long, success, word};
use super::fds::Kind;
use super::layout::{dirent, store};
use crate::host::files::{Descriptor, DescriptorType, DirectoryEntry, Entries};
use crate::host::{GuestMemory, State};
use std::io;

/// Where reading a directory has come to.
#[derive(Debug)]
pub(super) struct Listing {
    entries: Entries,
    /// The number of the entry that comes next; `.` and `..` are the first two.
    next: u64,
    /// The entry before that. It may have been cut off, and is asked for again then.
    last: Option<DirectoryEntry>,
    /// The directory's own, which stands for that of its parent too.
    inode: u64,
}

impl Listing {
    fn open(dir: &Descriptor) -> io::Result<Listing> {
        Ok(Listing { entries: dir.read_directory()?, next: 0, last: None, inode: dir.stat()?.inode })
    }

    /// Whether the entry of this number can still be read.
    fn reaches(&self, cookie: u64) -> bool {
        cookie >= self.next || cookie + 1 == self.next && self.last.is_some()
    }

    /// Goes on by one entry.
    fn advance(&mut self) -> io::Result<Option<&DirectoryEntry>> {
        let dots = |name: &str| {
            Some(DirectoryEntry { ty: DescriptorType::Directory, name: name.to_owned(), inode: self.inode })
        };
        self.last = match self.next {
            0 => dots("."),
            1 => dots(".."),
            _ => self.entries.next().transpose()?,
        };
        self.next += u64::from(self.last.is_some());
        Ok(self.last.as_ref())
    }

    /// As many entries from `cookie` on as fit; the last one may be cut off.
    fn fill(&mut self, cookie: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while self.next < cookie {
            if self.advance()?.is_none() {
                return Ok(bytes);
            }
        }
        let mut again = self.next > cookie;
        while bytes.len() < most {
            if !again && self.advance()?.is_none() {
                break;
            }
            again = false;
            if let Some(entry) = &self.last {
                bytes.extend_from_slice(&dirent(self.next, entry.inode, &entry.name, entry.ty));
                bytes.extend_from_slice(entry.name.as_bytes());
            }
        }
        bytes.truncate(most);
        Ok(bytes)
    }
}

pub(super) fn fd_readdir(state: &mut State, memory: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    let (fd, buffer, length, cookie, told) =
        (word(slots, 0), word(slots, 1), word(slots, 2), long(slots, 3), word(slots, 4));
    memory.write(buffer, length, 1)?;
    let open = state.fds().get_mut(fd)?;
    let dir = open.dir()?.clone();
    let listing = match &mut open.kind {
        Kind::Directory { listing, .. } => listing.take(),
        _ => None,
    };
    job(
        state,
        memory,
        move || {
            let mut listing = match listing {
                // Whoever starts anew sees what was added since.
                Some(listing) if cookie > 0 && listing.reaches(cookie) => listing,
                _ => Listing::open(&dir)?,
            };
            let bytes = listing.fill(cookie, length as usize)?;
            Ok((listing, bytes))
        },
        move |state, memory, (read, bytes)| {
            if let Kind::Directory { listing, .. } = &mut state.fds().get_mut(fd)?.kind {
                *listing = Some(read);
            }
            store(memory, buffer, &bytes)?;
            memory.write_int(told, 4, bytes.len() as u64)?;
            success()
        },
    )
}
