//! `cargo +nightly fuzz run witx_read`
#![no_main]

#[allow(dead_code, reason = "the other target is another program's")]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::witx_read(data);
});
