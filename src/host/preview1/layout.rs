//! Structures of preview1 as they lie in memory. Every offset stands here and nowhere else.

use super::Errno;
use super::call::Stop;
use crate::host::files::{DescriptorType, Stat};
use crate::host::{GuestMemory, Trap};
use bytes::{Bytes, BytesMut};
use std::time::{SystemTime, UNIX_EPOCH};

/// Vectors beyond this many are left for the next call, as are bytes beyond [`MAX_TRANSFER`].
const MAX_VECTORS: u32 = 1024;
/// What one call transfers at the most.
pub(super) const MAX_TRANSFER: usize = 256 * 1024;
/// A longer path is refused.
const MAX_PATH: u32 = 64 * 1024;

/// `filetype` of a descriptor of which nothing is known.
pub(super) const UNKNOWN: u8 = 0;
/// `filetype.character_device`.
pub(super) const CHARACTER_DEVICE: u8 = 2;

/// Parts of the guest's memory, one after the other.
#[derive(Debug)]
pub(super) struct Vectors(Vec<(u32, u32)>);

impl Vectors {
    /// Reads an `iovec_array` or `ciovec_array`.
    pub(super) fn read(memory: &GuestMemory<'_>, ptr: u32, count: u32) -> Result<Vectors, Trap> {
        let count = count.min(MAX_VECTORS);
        let bytes = memory.read(ptr, count * 8, 4)?;
        let mut left = MAX_TRANSFER as u32;
        let vector = |entry: &[u8]| {
            let length = int(entry, 4).min(left);
            left -= length;
            (int(entry, 0), length)
        };
        Ok(Vectors(bytes.chunks_exact(8).map(vector).filter(|&(_, length)| length > 0).collect()))
    }

    /// How many bytes they hold.
    pub(super) fn length(&self) -> usize {
        self.0.iter().map(|&(_, length)| length as usize).sum()
    }

    /// Reads all bytes.
    pub(super) fn gather(&self, memory: &GuestMemory<'_>) -> Result<Bytes, Trap> {
        let mut bytes = BytesMut::with_capacity(self.length());
        for &(ptr, length) in &self.0 {
            bytes.extend_from_slice(memory.read(ptr, length, 1)?);
        }
        Ok(bytes.freeze())
    }

    /// Writes as many bytes as there are.
    pub(super) fn scatter(&self, memory: &mut GuestMemory<'_>, mut bytes: &[u8]) -> Result<(), Trap> {
        for &(ptr, length) in &self.0 {
            let (now, later) = bytes.split_at(bytes.len().min(length as usize));
            memory.write(ptr, length, 1)?[..now.len()].copy_from_slice(now);
            bytes = later;
        }
        Ok(())
    }
}

fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(int(bytes, at)) | u64::from(int(bytes, at + 4)) << 32
}

/// A path.
pub(super) fn path(memory: &GuestMemory<'_>, ptr: u32, length: u32) -> Result<String, Stop> {
    if length > MAX_PATH {
        return Err(Errno::Nametoolong.into());
    }
    let bytes = memory.read(ptr, length, 1)?;
    Ok(std::str::from_utf8(bytes).map_err(|_| Errno::Ilseq)?.to_owned())
}

/// Copies bytes.
pub(super) fn store(memory: &mut GuestMemory<'_>, ptr: u32, bytes: &[u8]) -> Result<(), Trap> {
    let length = u32::try_from(bytes.len()).map_err(|_| Trap::new("more than a memory holds"))?;
    memory.write(ptr, length, 1)?.copy_from_slice(bytes);
    Ok(())
}

/// `filetype`.
pub(super) fn filetype(ty: DescriptorType) -> u8 {
    match ty {
        // There is no number for pipes.
        DescriptorType::Unknown | DescriptorType::Fifo => UNKNOWN,
        DescriptorType::BlockDevice => 1,
        DescriptorType::CharacterDevice => CHARACTER_DEVICE,
        DescriptorType::Directory => 3,
        DescriptorType::RegularFile => 4,
        DescriptorType::Socket => 6,
        DescriptorType::SymbolicLink => 7,
    }
}

/// Nanoseconds since 1970; what was before, or is not known, is zero.
pub(super) fn timestamp(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes a `fdstat`.
pub(super) fn fdstat(
    memory: &mut GuestMemory<'_>,
    ptr: u32,
    filetype: u8,
    flags: u16,
    rights: [u64; 2],
) -> Result<(), Trap> {
    let mut record = [0; 24];
    record[0] = filetype;
    record[2..4].copy_from_slice(&flags.to_le_bytes());
    record[8..16].copy_from_slice(&rights[0].to_le_bytes());
    record[16..].copy_from_slice(&rights[1].to_le_bytes());
    memory.write(ptr, 24, 8)?.copy_from_slice(&record);
    Ok(())
}

/// Writes a `filestat`.
pub(super) fn filestat(memory: &mut GuestMemory<'_>, ptr: u32, stat: &Stat) -> Result<(), Trap> {
    let times = [stat.accessed, stat.modified, stat.changed].map(timestamp);
    let ty = filetype(stat.ty).into();
    let fields = [stat.device, stat.inode, ty, stat.links, stat.size, times[0], times[1], times[2]];
    words(memory, ptr, &fields)
}

/// Writes the `filestat` of a standard stream.
pub(super) fn stream_stat(memory: &mut GuestMemory<'_>, ptr: u32, filetype: u8) -> Result<(), Trap> {
    words(memory, ptr, &[0, 0, filetype.into(), 0, 0, 0, 0, 0])
}

fn words(memory: &mut GuestMemory<'_>, ptr: u32, fields: &[u64; 8]) -> Result<(), Trap> {
    let record = memory.write(ptr, 64, 8)?;
    for (place, field) in record.chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    Ok(())
}

/// Writes the `prestat` of a directory whose name has this length.
pub(super) fn prestat(memory: &mut GuestMemory<'_>, ptr: u32, length: u32) -> Result<(), Trap> {
    let record = memory.write(ptr, 8, 4)?;
    record[..4].fill(0);
    record[4..].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// A `dirent`; its name follows it.
pub(super) fn dirent(next: u64, inode: u64, name: &str, ty: DescriptorType) -> [u8; 24] {
    let mut record = [0; 24];
    record[..8].copy_from_slice(&next.to_le_bytes());
    record[8..16].copy_from_slice(&inode.to_le_bytes());
    record[16..20].copy_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    record[20] = filetype(ty);
    record
}

/// Bytes of a subscription.
pub(super) const SUBSCRIPTION: u32 = 48;
/// Bytes of an event.
pub(super) const EVENT: u32 = 32;

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    Clock { id: u32, timeout: u64, flags: u16 },
    Read(u32),
    Write(u32),
}

/// A `subscription`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    pub(super) userdata: u64,
    pub(super) awaited: Awaited,
}

impl Subscription {
    /// From its bytes.
    pub(super) fn parse(record: &[u8]) -> Result<Subscription, Errno> {
        let awaited = match record[8] {
            0 => {
                let flags = u16::from_le_bytes([record[40], record[41]]);
                Awaited::Clock { id: int(record, 16), timeout: long(record, 24), flags }
            }
            1 => Awaited::Read(int(record, 16)),
            2 => Awaited::Write(int(record, 16)),
            _ => return Err(Errno::Inval),
        };
        Ok(Subscription { userdata: long(record, 0), awaited })
    }
}

/// An `event` without an error. `bytes` are those that can be transferred; `hangup` says that no more will come.
pub(super) fn event(subscription: &Subscription, bytes: u64, hangup: bool) -> [u8; EVENT as usize] {
    let mut record = [0; EVENT as usize];
    record[..8].copy_from_slice(&subscription.userdata.to_le_bytes());
    record[10] = match subscription.awaited {
        Awaited::Clock { .. } => 0,
        Awaited::Read(_) => 1,
        Awaited::Write(_) => 2,
    };
    record[16..24].copy_from_slice(&bytes.to_le_bytes());
    record[24] = hangup.into();
    record
}
