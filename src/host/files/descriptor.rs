//! An open file or directory, and what is done with it itself. Every call here may block.

use super::quota::Slot;
use super::types::{Advice, DescriptorFlags, DescriptorType, DirectoryEntry, MetadataHash, NewTimestamp, Stat};
use super::{ErrorCode, Quota, sys};
use bytes::{Bytes, BytesMut};
use cap_fs_ext::{DirExt, Metadata, SystemTimeSpec};
use cap_std::fs::{Dir, ReadDir};
use std::fs::{File, FileTimes};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

/// An open file or directory. A clone is another name for the same open file.
#[derive(Debug, Clone)]
pub struct Descriptor {
    pub(super) object: Object,
    pub(super) flags: DescriptorFlags,
    /// Nothing that is reached through it can be changed.
    pub(super) read_only: bool,
    /// What the guest may open through it.
    pub(super) quota: Quota,
    /// Its own part of that; none for one that is preopened.
    pub(super) _slot: Option<Arc<Slot>>,
}

/// What a descriptor refers to. Files are also devices and pipes.
#[derive(Debug, Clone)]
pub(super) enum Object {
    File(Arc<File>),
    Directory(Arc<Dir>),
}

/// A read gives at most this many bytes.
const MAX_READ: usize = 64 * 1024;

impl Descriptor {
    /// A directory that is given to the guest, through which it may open so many others.
    pub fn preopened(dir: Arc<Dir>, read_only: bool, quota: Quota) -> Descriptor {
        let flags = DescriptorFlags { read: true, mutate_directory: !read_only, ..DescriptorFlags::default() };
        Descriptor { object: Object::Directory(dir), flags, read_only, quota, _slot: None }
    }

    /// What it is open for.
    pub fn flags(&self) -> DescriptorFlags {
        self.flags
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.object, Object::Directory(_))
    }

    /// Whether nothing that is reached through it can be changed.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(super) fn file(&self) -> io::Result<&Arc<File>> {
        match &self.object {
            Object::File(file) => Ok(file),
            Object::Directory(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// The file, if it may be changed.
    pub(super) fn file_to_change(&self) -> io::Result<&Arc<File>> {
        let file = self.file()?;
        self.may_change()?;
        Ok(file)
    }

    pub(super) fn may_change(&self) -> io::Result<()> {
        if self.read_only { Err(ErrorCode::ReadOnly.into()) } else { Ok(()) }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        match &self.object {
            Object::File(file) => Metadata::from_file(file),
            Object::Directory(dir) => dir.dir_metadata(),
        }
    }

    /// `stat`.
    pub fn stat(&self) -> io::Result<Stat> {
        self.metadata().map(|metadata| Stat::from(&metadata))
    }

    /// `get-type`.
    pub fn descriptor_type(&self) -> io::Result<DescriptorType> {
        match &self.object {
            Object::File(file) => Metadata::from_file(file).map(|metadata| metadata.file_type().into()),
            Object::Directory(_) => Ok(DescriptorType::Directory),
        }
    }

    /// Reads at most `length` bytes, and never more than 64 KiB. No bytes mean that the end is reached.
    pub fn read_at(&self, length: usize, offset: u64) -> io::Result<Bytes> {
        let file = self.file()?;
        let mut bytes = BytesMut::zeroed(length.min(MAX_READ));
        let read = uninterrupted(|| sys::read_at(file, &mut bytes, offset))?;
        bytes.truncate(read);
        Ok(bytes.freeze())
    }

    /// Writes, and says how many bytes were written, which may be fewer.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let file = self.file_to_change()?;
        uninterrupted(|| sys::write_at(file, bytes, offset))
    }

    /// Writes at the end, wherever that is by now, and says how many bytes were written, which may be fewer.
    pub fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file_to_change()?;
        uninterrupted(|| sys::append(file, bytes))
    }

    /// Cuts the file, or adds zeroes to it.
    pub fn set_size(&self, size: u64) -> io::Result<()> {
        self.file_to_change()?.set_len(size)
    }

    /// `set-times`.
    pub fn set_times(&self, accessed: NewTimestamp, modified: NewTimestamp) -> io::Result<()> {
        self.may_change()?;
        match &self.object {
            Object::File(file) => file.set_times(file_times(accessed, modified)),
            Object::Directory(dir) => dir.set_symlink_times(".", time_spec(accessed), time_spec(modified)),
        }
    }

    /// Waits until data and metadata are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        match &self.object {
            Object::File(file) => file.sync_all(),
            Object::Directory(dir) => readable(dir)?.sync_all(),
        }
    }

    /// Waits until data is on the disk.
    pub fn sync_data(&self) -> io::Result<()> {
        match &self.object {
            Object::File(file) => file.sync_data(),
            Object::Directory(dir) => readable(dir)?.sync_data(),
        }
    }

    /// Says how a part of a file will be used; a length of zero reaches to its end.
    pub fn advise(&self, offset: u64, length: u64, advice: Advice) -> io::Result<()> {
        sys::advise(self.file()?, offset, length, advice)
    }

    /// The entries of a directory, from the first on.
    pub fn read_directory(&self) -> io::Result<Entries> {
        let dir = self.directory()?;
        let slot = self.quota.take()?;
        Ok(Entries { read: dir.entries()?, _slot: slot })
    }

    /// Whether both refer to the same object of the file system.
    pub fn is_same_object(&self, other: &Descriptor) -> io::Result<bool> {
        let (one, other) = (self.stat()?, other.stat()?);
        Ok((one.device, one.inode) == (other.device, other.inode))
    }

    /// `metadata-hash`.
    pub fn metadata_hash(&self) -> io::Result<MetadataHash> {
        self.stat().map(|stat| hash(&stat))
    }
}

/// A hash of what identifies the object, with a secret of this process. It does not depend on size and times: preview1's
/// adapter gives it out as the inode, and programs take a file whose inode changes for another one.
pub(super) fn hash(stat: &Stat) -> MetadataHash {
    static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    let [lower, upper] = SECRETS.each_ref().map(|secret| secret.hash_one((stat.device, stat.inode)));
    MetadataHash { lower, upper }
}

/// The same directory, open so that it can be synchronised: cap-std's handles to directories may be mere places.
fn readable(dir: &Dir) -> io::Result<cap_std::fs::File> {
    dir.open(".")
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn file_times(accessed: NewTimestamp, modified: NewTimestamp) -> FileTimes {
    let time = |new| match new {
        NewTimestamp::NoChange => None,
        NewTimestamp::Now => Some(SystemTime::now()),
        NewTimestamp::At(time) => Some(time),
    };
    let times = FileTimes::new();
    let times = time(accessed).map_or(times, |time| times.set_accessed(time));
    time(modified).map_or(times, |time| times.set_modified(time))
}

pub(super) fn time_spec(new: NewTimestamp) -> Option<SystemTimeSpec> {
    match new {
        NewTimestamp::NoChange => None,
        NewTimestamp::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTimestamp::At(time) => Some(SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time))),
    }
}

/// The entries of a directory, without `.` and `..`, in the system's order. They are read as they are asked for. A name
/// that is not UTF-8 is an error; the next entry can be asked for all the same.
#[derive(Debug)]
pub struct Entries {
    read: ReadDir,
    _slot: Arc<Slot>,
}

impl Iterator for Entries {
    type Item = io::Result<DirectoryEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.read.next()?.and_then(|entry| {
            let ty = entry.file_type()?.into();
            let name = entry.file_name().into_string().map_err(|_| ErrorCode::IllegalByteSequence)?;
            Ok(DirectoryEntry { ty, name, inode: sys::inode(&entry) })
        }))
    }
}
