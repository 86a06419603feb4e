//! The functions of snapshot 0.

use super::shims;
use crate::abi::{Core, CoreSignature};

/// A function of snapshot 0.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Core types of its parameters.
    pub params: &'static [Core],
    /// Core types of its results.
    pub results: &'static [Core],
    /// How it becomes one of preview1.
    pub way: Way,
}

/// How a function becomes one of preview1.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// It is the same there.
    Same,
    /// It is called through a function, made for the index of the one of preview1.
    Through(fn(u32) -> wasm_encoder::Function),
}

impl Function {
    /// Its core signature, which preview1's has too.
    pub fn signature(&self) -> CoreSignature {
        CoreSignature::new(self.params, self.results)
    }
}

/// `name(slots)`, with what it is called through if it differs.
macro_rules! functions {
    ($($name:ident($($param:ident)*) $(-> $result:ident)? $(through $shim:path)?,)*) => {
        /// All functions.
        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            params: &[$(Core::$param,)*],
            results: &[$(Core::$result)?],
            way: functions!(@ $($shim)?),
        },)*];
    };
    (@ $shim:path) => { Way::Through($shim) };
    (@) => { Way::Same };
}

functions! {
    args_get(I32 I32) -> I32,
    args_sizes_get(I32 I32) -> I32,
    clock_res_get(I32 I32) -> I32,
    clock_time_get(I32 I64 I32) -> I32,
    environ_get(I32 I32) -> I32,
    environ_sizes_get(I32 I32) -> I32,
    fd_advise(I32 I64 I64 I32) -> I32,
    fd_allocate(I32 I64 I64) -> I32,
    fd_close(I32) -> I32,
    fd_datasync(I32) -> I32,
    fd_fdstat_get(I32 I32) -> I32,
    fd_fdstat_set_flags(I32 I32) -> I32,
    fd_fdstat_set_rights(I32 I64 I64) -> I32,
    fd_filestat_get(I32 I32) -> I32 through shims::fd_filestat_get,
    fd_filestat_set_size(I32 I64) -> I32,
    fd_filestat_set_times(I32 I64 I64 I32) -> I32,
    fd_pread(I32 I32 I32 I64 I32) -> I32,
    fd_prestat_dir_name(I32 I32 I32) -> I32,
    fd_prestat_get(I32 I32) -> I32,
    fd_pwrite(I32 I32 I32 I64 I32) -> I32,
    fd_read(I32 I32 I32 I32) -> I32,
    fd_readdir(I32 I32 I32 I64 I32) -> I32,
    fd_renumber(I32 I32) -> I32,
    fd_seek(I32 I64 I32 I32) -> I32 through shims::fd_seek,
    fd_sync(I32) -> I32,
    fd_tell(I32 I32) -> I32,
    fd_write(I32 I32 I32 I32) -> I32,
    path_create_directory(I32 I32 I32) -> I32,
    path_filestat_get(I32 I32 I32 I32 I32) -> I32 through shims::path_filestat_get,
    path_filestat_set_times(I32 I32 I32 I32 I64 I64 I32) -> I32,
    path_link(I32 I32 I32 I32 I32 I32 I32) -> I32,
    path_open(I32 I32 I32 I32 I32 I64 I64 I32 I32) -> I32,
    path_readlink(I32 I32 I32 I32 I32 I32) -> I32,
    path_remove_directory(I32 I32 I32) -> I32,
    path_rename(I32 I32 I32 I32 I32 I32) -> I32,
    path_symlink(I32 I32 I32 I32 I32) -> I32,
    path_unlink_file(I32 I32 I32) -> I32,
    poll_oneoff(I32 I32 I32 I32) -> I32 through shims::poll_oneoff,
    proc_exit(I32),
    proc_raise(I32) -> I32,
    random_get(I32 I32) -> I32,
    sched_yield() -> I32,
    sock_recv(I32 I32 I32 I32 I32 I32) -> I32,
    sock_send(I32 I32 I32 I32 I32) -> I32,
    sock_shutdown(I32 I32) -> I32,
}
