//! The guest's file descriptors: small numbers, the lowest free one first.

use super::Errno;
use super::readdir::Listing;
use crate::host::State;
use crate::host::files::{Descriptor, DescriptorType, Preopen, Quota};
use crate::host::io::Pollable;

/// `fdflags.append`.
pub(super) const APPEND: u16 = 1;
/// `fdflags.nonblock`.
pub(super) const NONBLOCK: u16 = 4;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standard {
    Input,
    Output,
    Error,
}

impl Standard {
    /// What waits for it.
    pub(super) fn pollable(self) -> Pollable {
        match self {
            Standard::Input => Pollable::Stdin,
            Standard::Output => Pollable::Stdout,
            Standard::Error => Pollable::Stderr,
        }
    }
}

/// What a descriptor is.
#[derive(Debug)]
pub(super) enum Kind {
    Standard(Standard),
    File {
        file: Descriptor,
        /// It does not change while the file is open.
        ty: DescriptorType,
        position: u64,
    },
    Directory {
        dir: Descriptor,
        /// How the guest knows it, if it was given to it.
        preopen: Option<String>,
        /// Where reading it has come to.
        listing: Option<Listing>,
    },
}

/// An open descriptor.
#[derive(Debug)]
pub(super) struct Fd {
    pub(super) kind: Kind,
    /// `fdflags`.
    pub(super) flags: u16,
}

impl Fd {
    /// The directory, or that it is none.
    pub(super) fn dir(&self) -> Result<&Descriptor, Errno> {
        match &self.kind {
            Kind::Directory { dir, .. } => Ok(dir),
            _ => Err(Errno::Badf),
        }
    }

    /// The file, or that it is none.
    pub(super) fn file(&self) -> Result<&Descriptor, Errno> {
        match &self.kind {
            Kind::File { file, .. } => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    /// The file or directory.
    pub(super) fn descriptor(&self) -> Result<&Descriptor, Errno> {
        match &self.kind {
            Kind::File { file: descriptor, .. } | Kind::Directory { dir: descriptor, .. } => Ok(descriptor),
            Kind::Standard(_) => Err(Errno::Badf),
        }
    }
}

/// All descriptors of an instance.
#[derive(Debug)]
pub(in crate::host) struct Fds {
    open: Vec<Option<Fd>>,
    limit: usize,
}

impl Fds {
    /// The standard streams, then the directories that are given.
    fn new(dirs: &[Preopen], limit: usize, quota: &Quota) -> Fds {
        let standard = [Standard::Input, Standard::Output, Standard::Error].map(Kind::Standard);
        let given = dirs.iter().map(|preopen| {
            let (dir, preopen) = (preopen.descriptor(quota), Some(preopen.guest.clone()));
            Kind::Directory { dir, preopen, listing: None }
        });
        let open = standard.into_iter().chain(given).map(|kind| Some(Fd { kind, flags: 0 })).collect();
        Fds { open, limit }
    }

    pub(super) fn get(&self, fd: u32) -> Result<&Fd, Errno> {
        self.open.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub(super) fn get_mut(&mut self, fd: u32) -> Result<&mut Fd, Errno> {
        self.open.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    /// Takes the lowest free number.
    pub(super) fn push(&mut self, fd: Fd) -> Result<u32, Errno> {
        let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if free >= self.limit {
            return Err(Errno::Mfile);
        }
        let number = u32::try_from(free).map_err(|_| Errno::Mfile)?;
        match self.open.get_mut(free) {
            Some(slot) => *slot = Some(fd),
            None => self.open.push(Some(fd)),
        }
        Ok(number)
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.get(fd)?;
        self.open[fd as usize] = None;
        Ok(())
    }

    /// Makes `from` known as `to`, which must be open and is closed.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            self.open[to as usize] = self.open[from as usize].take();
        }
        Ok(())
    }
}

impl State {
    /// The descriptors of preview1, which are made when the first of its functions asks for one.
    pub(super) fn fds(&mut self) -> &mut Fds {
        let config = &self.config;
        self.fds.get_or_insert_with(|| Fds::new(&config.dirs, config.handles, &self.open_files))
    }
}
