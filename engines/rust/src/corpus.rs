//! Rust for all of WASI 0.2, every kind of type, names that are no names, and made-up packages: that it compiles without a
//! warning, without `std`. `cargo xtask bindgen-rust` has the test program write what is included here.

#![no_std]
#![deny(warnings)]
#![forbid(unsafe_code)]

include!(concat!(env!("LOWLIFT_BINDINGS"), "/corpus.rs"));
