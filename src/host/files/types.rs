//! The plain types of `wasi:filesystem/types`, which preview1 shares.

use cap_fs_ext::{FileTypeExt, Metadata, MetadataExt};
use cap_std::fs::FileType;
use std::time::SystemTime;

macro_rules! flags {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $bit:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: bool,)* }

        impl $name {
            /// From the bits of the WIT; unknown ones are ignored.
            pub fn from_bits(bits: u64) -> $name {
                $name { $($field: bits & $bit != 0,)* }
            }

            /// The bits of the WIT.
            pub fn bits(self) -> u64 {
                0 $(| if self.$field { $bit } else { 0 })*
            }
        }
    };
}

flags! {
    /// `descriptor-flags`: what a descriptor is open for.
    DescriptorFlags {
        /// Data can be read.
        read = 1,
        /// Data can be written.
        write = 2,
        /// Writes wait until data and metadata are on the disk.
        file_sync = 4,
        /// Writes wait until data is on the disk.
        data_sync = 8,
        /// Reads wait as writes do.
        read_sync = 16,
        /// A directory whose contents may be changed.
        mutate_directory = 32,
    }
}

flags! {
    /// `open-flags`: how a path is opened.
    OpenFlags {
        /// Create the file if it is not there.
        create = 1,
        /// Fail if it is not a directory.
        directory = 2,
        /// Fail if it is there.
        exclusive = 4,
        /// Make the file empty.
        truncate = 8,
    }
}

/// `descriptor-type`, in the order of the WIT, so that `as u32` is the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorType {
    /// None of the others.
    Unknown,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A symbolic link.
    SymbolicLink,
    /// A regular file.
    RegularFile,
    /// A socket.
    Socket,
}

impl From<FileType> for DescriptorType {
    fn from(ty: FileType) -> DescriptorType {
        match ty {
            ty if ty.is_dir() => DescriptorType::Directory,
            ty if ty.is_file() => DescriptorType::RegularFile,
            ty if ty.is_symlink() => DescriptorType::SymbolicLink,
            ty if ty.is_block_device() => DescriptorType::BlockDevice,
            ty if ty.is_char_device() => DescriptorType::CharacterDevice,
            ty if ty.is_fifo() => DescriptorType::Fifo,
            ty if ty.is_socket() => DescriptorType::Socket,
            _ => DescriptorType::Unknown,
        }
    }
}

/// `descriptor-stat`, and what identifies the object, which WASI 0.2 does not show.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// What it is.
    pub ty: DescriptorType,
    /// Hard links.
    pub links: u64,
    /// Bytes; of a symbolic link, those of its contents.
    pub size: u64,
    /// Last access.
    pub accessed: Option<SystemTime>,
    /// Last change of the data.
    pub modified: Option<SystemTime>,
    /// Last change of the data or the attributes.
    pub changed: Option<SystemTime>,
    /// The device that it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Stat {
        Stat {
            ty: metadata.file_type().into(),
            links: metadata.nlink(),
            size: metadata.len(),
            accessed: metadata.accessed().ok().map(cap_std::time::SystemTime::into_std),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            changed: changed(metadata),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use cap_fs_ext::OsMetadataExt;
    use std::time::Duration;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<SystemTime> {
    None
}

/// `new-timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewTimestamp {
    /// Left as it is.
    NoChange,
    /// The time of the call.
    Now,
    /// This time.
    At(SystemTime),
}

/// `advice`, in the order of the WIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// From lower to higher offsets.
    Sequential,
    /// In random order.
    Random,
    /// Soon.
    WillNeed,
    /// Not soon.
    DontNeed,
    /// Once.
    NoReuse,
}

impl Advice {
    /// All of them, in the order of the WIT.
    pub const ALL: [Advice; 6] =
        [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed, Advice::DontNeed, Advice::NoReuse];
}

/// `directory-entry`, and its number on its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// What it is.
    pub ty: DescriptorType,
    /// Its name, without a path.
    pub name: String,
    /// Its number on its device; zero where the system does not say.
    pub inode: u64,
}

/// `metadata-hash-value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataHash {
    /// 64 bits.
    pub lower: u64,
    /// 64 more.
    pub upper: u64,
}
