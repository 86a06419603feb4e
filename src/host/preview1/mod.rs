//! `wasi_snapshot_preview1`, on the descriptors, clocks and standard streams of WASI 0.2.
//!
//! Its functions take raw slots and read and write the guest's memory by themselves, so that a module needs no
//! `cabi_realloc`. A pointer out of bounds or not aligned traps (*witx-docs*, *Pointers*); all else that goes wrong is an
//! [`Errno`]. Rights are told and not enforced, but for what can only be read.

mod call;
mod errno;
mod fds;
mod layout;
mod metadata;
mod paths;
mod poll;
mod process;
mod readdir;
mod transfer;

pub use errno::Errno;
pub(super) use fds::Fds;

use super::{GuestMemory, RawRun, State};
use crate::abi::{Core, CoreSignature};
use call::{Answer, answer};

/// The module that the functions are imported from.
pub const MODULE: &str = crate::adapt::PREVIEW1;

/// A function of preview1.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Core],
    /// Its results: an error number, or nothing for what does not return.
    pub results: &'static [Core],
    /// Whether it may wait.
    pub blocks: bool,
    /// The implementation.
    pub run: RawRun,
}

impl Function {
    /// Its core signature.
    pub fn signature(&self) -> CoreSignature {
        CoreSignature::new(self.params, self.results)
    }
}

/// `name(slots) = implementation`; those that may wait say so.
macro_rules! functions {
    ($($name:ident($($param:ident)*) $(-> $result:ident)? $([$waits:ident])? = $run:path,)*) => {
        /// All functions.
        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            params: &[$(Core::$param,)*],
            results: &[$(Core::$result)?],
            blocks: functions!(@ $($waits)?),
            run: |state, memory, slots| answer($run(state, memory, slots)),
        },)*];
    };
    (@ waits) => { true };
    (@) => { false };
}

functions! {
    args_get(I32 I32) -> I32 = process::args_get,
    args_sizes_get(I32 I32) -> I32 = process::args_sizes_get,
    environ_get(I32 I32) -> I32 = process::environ_get,
    environ_sizes_get(I32 I32) -> I32 = process::environ_sizes_get,
    clock_res_get(I32 I32) -> I32 = process::clock_res_get,
    clock_time_get(I32 I64 I32) -> I32 = process::clock_time_get,
    fd_advise(I32 I64 I64 I32) -> I32 [waits] = metadata::fd_advise,
    fd_allocate(I32 I64 I64) -> I32 = metadata::fd_allocate,
    fd_close(I32) -> I32 = metadata::fd_close,
    fd_datasync(I32) -> I32 [waits] = metadata::fd_datasync,
    fd_fdstat_get(I32 I32) -> I32 = metadata::fd_fdstat_get,
    fd_fdstat_set_flags(I32 I32) -> I32 = metadata::fd_fdstat_set_flags,
    fd_fdstat_set_rights(I32 I64 I64) -> I32 = metadata::fd_fdstat_set_rights,
    fd_filestat_get(I32 I32) -> I32 [waits] = metadata::fd_filestat_get,
    fd_filestat_set_size(I32 I64) -> I32 [waits] = metadata::fd_filestat_set_size,
    fd_filestat_set_times(I32 I64 I64 I32) -> I32 [waits] = metadata::fd_filestat_set_times,
    fd_pread(I32 I32 I32 I64 I32) -> I32 [waits] = transfer::fd_pread,
    fd_prestat_get(I32 I32) -> I32 = metadata::fd_prestat_get,
    fd_prestat_dir_name(I32 I32 I32) -> I32 = metadata::fd_prestat_dir_name,
    fd_pwrite(I32 I32 I32 I64 I32) -> I32 [waits] = transfer::fd_pwrite,
    fd_read(I32 I32 I32 I32) -> I32 [waits] = transfer::fd_read,
    fd_readdir(I32 I32 I32 I64 I32) -> I32 [waits] = readdir::fd_readdir,
    fd_renumber(I32 I32) -> I32 = metadata::fd_renumber,
    fd_seek(I32 I64 I32 I32) -> I32 [waits] = transfer::fd_seek,
    fd_sync(I32) -> I32 [waits] = metadata::fd_sync,
    fd_tell(I32 I32) -> I32 = transfer::fd_tell,
    fd_write(I32 I32 I32 I32) -> I32 [waits] = transfer::fd_write,
    path_create_directory(I32 I32 I32) -> I32 [waits] = paths::path_create_directory,
    path_filestat_get(I32 I32 I32 I32 I32) -> I32 [waits] = paths::path_filestat_get,
    path_filestat_set_times(I32 I32 I32 I32 I64 I64 I32) -> I32 [waits] = paths::path_filestat_set_times,
    path_link(I32 I32 I32 I32 I32 I32 I32) -> I32 [waits] = paths::path_link,
    path_open(I32 I32 I32 I32 I32 I64 I64 I32 I32) -> I32 [waits] = paths::path_open,
    path_readlink(I32 I32 I32 I32 I32 I32) -> I32 [waits] = paths::path_readlink,
    path_remove_directory(I32 I32 I32) -> I32 [waits] = paths::path_remove_directory,
    path_rename(I32 I32 I32 I32 I32 I32) -> I32 [waits] = paths::path_rename,
    path_symlink(I32 I32 I32 I32 I32) -> I32 [waits] = paths::path_symlink,
    path_unlink_file(I32 I32 I32) -> I32 [waits] = paths::path_unlink_file,
    poll_oneoff(I32 I32 I32 I32) -> I32 [waits] = poll::poll_oneoff,
    proc_exit(I32) = process::proc_exit,
    proc_raise(I32) -> I32 = process::proc_raise,
    sched_yield() -> I32 [waits] = process::sched_yield,
    random_get(I32 I32) -> I32 [waits] = process::random_get,
    sock_accept(I32 I32 I32) -> I32 = no_socket,
    sock_recv(I32 I32 I32 I32 I32 I32) -> I32 = no_socket,
    sock_send(I32 I32 I32 I32 I32) -> I32 = no_socket,
    sock_shutdown(I32 I32) -> I32 = no_socket,
}

/// Preview1 cannot make sockets, only use those that it is given, and none is given: no descriptor is one.
fn no_socket(state: &mut State, _: &mut GuestMemory<'_>, slots: &[u64]) -> Answer {
    state.fds().get(call::word(slots, 0))?;
    Err(Errno::Notsock.into())
}
