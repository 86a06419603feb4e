//! What systems do each in their own way.

pub(super) use system::{advise, append, inode, no_terminal, read_at, write_at};

#[cfg(unix)]
mod system {
    use crate::host::files::Advice;
    use cap_std::fs::{DirEntry, OpenOptions, OpenOptionsExt};
    use rustix::fs::OFlags;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(in crate::host::files) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(bytes, offset)
    }

    pub(in crate::host::files) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// In one step, so that nothing that others append is overwritten.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(in crate::host::files) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
        use rustix::io::{ReadWriteFlags, pwritev2};
        Ok(pwritev2(file, &[io::IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND)?)
    }

    /// In two steps: what another process appends in between is overwritten.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(in crate::host::files) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write_at(bytes, file.metadata()?.len())
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(in crate::host::files) fn advise(file: &File, offset: u64, length: u64, advice: Advice) -> io::Result<()> {
        use rustix::fs::Advice as To;
        let advice = match advice {
            Advice::Normal => To::Normal,
            Advice::Sequential => To::Sequential,
            Advice::Random => To::Random,
            Advice::WillNeed => To::WillNeed,
            Advice::DontNeed => To::DontNeed,
            Advice::NoReuse => To::NoReuse,
        };
        Ok(rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(length), advice)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(in crate::host::files) fn advise(_: &File, _: u64, _: u64, _: Advice) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::host::files) fn inode(entry: &DirEntry) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(entry)
    }

    /// A terminal that a guest opens must not become the host's own.
    pub(in crate::host::files) fn no_terminal(options: &mut OpenOptions) {
        options.custom_flags(OFlags::NOCTTY.bits().cast_signed());
    }
}

/// Reads and writes move the file's cursor here; nothing relies on it.
#[cfg(windows)]
mod system {
    use crate::host::files::Advice;
    use cap_std::fs::{DirEntry, OpenOptions};
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    pub(in crate::host::files) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(bytes, offset)
    }

    pub(in crate::host::files) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    /// In two steps: what another process appends in between is overwritten.
    pub(in crate::host::files) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.seek_write(bytes, file.metadata()?.len())
    }

    pub(in crate::host::files) fn advise(_: &File, _: u64, _: u64, _: Advice) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::host::files) fn inode(_: &DirEntry) -> u64 {
        0
    }

    pub(in crate::host::files) fn no_terminal(_: &mut OpenOptions) {}
}
