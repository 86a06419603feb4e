//! wasmi by the standard C API: a library that programs in C are linked with.

pub use wasmi_c_api::*;
