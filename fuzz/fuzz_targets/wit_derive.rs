//! `cargo +nightly fuzz run wit_derive`
#![no_main]

#[allow(dead_code, reason = "the other target is another program's")]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::wit_derive(data);
});
