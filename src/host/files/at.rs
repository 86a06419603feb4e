//! What is done with paths below an open directory. cap-std resolves them: none leaves its directory, whatever symbolic
//! links say. Every call here may block.

use super::descriptor::{Object, hash, time_spec};
use super::types::{DescriptorFlags, MetadataHash, NewTimestamp, OpenFlags, Stat};
use super::{Descriptor, ErrorCode, sys};
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};
use std::io;
use std::sync::Arc;

impl Descriptor {
    pub(super) fn directory(&self) -> io::Result<&Arc<Dir>> {
        match &self.object {
            Object::Directory(dir) => Ok(dir),
            Object::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// The directory, if what is in it may be changed.
    fn directory_to_change(&self) -> io::Result<&Arc<Dir>> {
        let dir = self.directory()?;
        self.may_change()?;
        Ok(dir)
    }

    /// `open-at`. A file that is not asked to be written is open for reading. Pipes and devices are opened without
    /// waiting for another end.
    pub fn open_at(&self, follow: bool, path: &str, how: OpenFlags, want: DescriptorFlags) -> io::Result<Descriptor> {
        let dir = self.directory()?;
        if how.directory && (how.create || how.exclusive || how.truncate) {
            return Err(ErrorCode::Invalid.into());
        }
        let write = want.write || how.create || how.truncate;
        if write || want.mutate_directory {
            self.may_change()?;
        }
        let flags = DescriptorFlags { read: want.read || !want.write, write, ..want };
        let slot = self.quota.take()?;
        let file = dir.open_with(checked(path)?, &options(follow, how, flags))?.into_std();
        let is_directory = file.metadata()?.is_dir();
        if how.directory && !is_directory {
            return Err(ErrorCode::NotDirectory.into());
        }
        if is_directory && want.write {
            return Err(ErrorCode::IsDirectory.into());
        }
        let object = match is_directory {
            true => Object::Directory(Arc::new(Dir::from_std_file(file))),
            false => Object::File(Arc::new(file)),
        };
        let flags = DescriptorFlags { mutate_directory: want.mutate_directory && is_directory, ..flags };
        Ok(Descriptor { object, flags, read_only: self.read_only, quota: self.quota.clone(), _slot: Some(slot) })
    }

    /// `stat-at`.
    pub fn stat_at(&self, follow: bool, path: &str) -> io::Result<Stat> {
        let (dir, path) = (self.directory()?, checked(path)?);
        let metadata = if follow { dir.metadata(path)? } else { dir.symlink_metadata(path)? };
        Ok(Stat::from(&metadata))
    }

    /// `metadata-hash-at`.
    pub fn metadata_hash_at(&self, follow: bool, path: &str) -> io::Result<MetadataHash> {
        self.stat_at(follow, path).map(|stat| hash(&stat))
    }

    /// `set-times-at`. Opens nothing: to open a pipe for writing would wait for a reader.
    pub fn set_times_at(
        &self,
        follow: bool,
        path: &str,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> io::Result<()> {
        let (dir, path) = (self.directory_to_change()?, checked(path)?);
        let (accessed, modified) = (time_spec(accessed), time_spec(modified));
        if follow {
            return dir.set_symlink_times(dir.canonicalize(path)?, accessed, modified);
        }
        dir.set_symlink_times(path, accessed, modified)
    }

    /// `create-directory-at`.
    pub fn create_directory_at(&self, path: &str) -> io::Result<()> {
        self.directory_to_change()?.create_dir(checked(path)?)
    }

    /// `unlink-file-at`.
    pub fn unlink_file_at(&self, path: &str) -> io::Result<()> {
        self.directory_to_change()?.remove_file_or_symlink(checked(path)?)
    }

    /// `remove-directory-at`.
    pub fn remove_directory_at(&self, path: &str) -> io::Result<()> {
        self.directory_to_change()?.remove_dir(checked(path)?)
    }

    /// `rename-at`.
    pub fn rename_at(&self, old: &str, new_dir: &Descriptor, new: &str) -> io::Result<()> {
        self.directory_to_change()?.rename(checked(old)?, new_dir.directory_to_change()?, checked(new)?)
    }

    /// `link-at`. To follow a symbolic link at the old path is not offered, as by any other host.
    pub fn link_at(&self, follow: bool, old: &str, new_dir: &Descriptor, new: &str) -> io::Result<()> {
        let (dir, new_dir) = (self.directory_to_change()?, new_dir.directory_to_change()?);
        if follow {
            return Err(ErrorCode::Invalid.into());
        }
        dir.hard_link(checked(old)?, new_dir, checked(new)?)
    }

    /// `symlink-at`: a link at `new` with the contents `old`, which must be a relative path.
    pub fn symlink_at(&self, old: &str, new: &str) -> io::Result<()> {
        DirExt::symlink(&**self.directory_to_change()?, checked(old)?, checked(new)?)
    }

    /// `readlink-at`. Contents that are an absolute path are not told.
    pub fn readlink_at(&self, path: &str) -> io::Result<String> {
        let contents = self.directory()?.read_link(checked(path)?)?;
        contents.into_os_string().into_string().map_err(|_| ErrorCode::IllegalByteSequence.into())
    }
}

/// Longer paths are refused by systems too, but cap-std may walk them step by step before.
const MAX_PATH: usize = 4096;

fn checked(path: &str) -> io::Result<&str> {
    if path.len() < MAX_PATH { Ok(path) } else { Err(ErrorCode::NameTooLong.into()) }
}

fn options(follow: bool, how: OpenFlags, flags: DescriptorFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(flags.read)
        .write(flags.write)
        .create(how.create && !how.exclusive)
        .create_new(how.create && how.exclusive)
        .truncate(how.truncate)
        .sync(flags.file_sync)
        .dsync(flags.data_sync)
        .rsync(flags.read_sync)
        .nonblock(true)
        .maybe_dir(true)
        .follow(if follow { FollowSymlinks::Yes } else { FollowSymlinks::No });
    sys::no_terminal(&mut options);
    options
}
