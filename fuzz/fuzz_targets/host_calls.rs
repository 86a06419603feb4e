//! `cargo +nightly fuzz run host_calls`
#![no_main]

#[path = "../host/mod.rs"]
mod host;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    host::host_calls(data);
});
