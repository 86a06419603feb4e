//! `cargo +nightly fuzz run link_component`
#![no_main]

#[allow(dead_code, reason = "the other targets are other programs'")]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::link_component(data);
});
