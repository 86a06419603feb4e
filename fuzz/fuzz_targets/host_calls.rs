//! `cargo fuzz run host_calls`
#![no_main]

#[path = "../hook.rs"]
mod hook;
#[path = "../host/mod.rs"]
mod host;

libfuzzer_sys::fuzz_target!(init: hook::install(), |data: &[u8]| {
    host::host_calls(data);
});
