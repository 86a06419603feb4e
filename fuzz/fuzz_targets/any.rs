//! `LOWLIFT_FUZZ=link_component cargo fuzz run any corpus/link_component`: one program for all targets that need no engine,
//! since building it takes longer than any of them to find something.
#![no_main]

#[path = "../hook.rs"]
mod hook;
#[path = "../targets/mod.rs"]
mod targets;

use std::sync::OnceLock;
use targets::{Target, find};

static TARGET: OnceLock<Target> = OnceLock::new();

/// The target that the environment names.
fn choose() {
    hook::install();
    let name = std::env::var("LOWLIFT_FUZZ").expect("LOWLIFT_FUZZ names a target");
    TARGET.get_or_init(|| find(&name).unwrap_or_else(|| panic!("there is no target `{name}`")));
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    TARGET.get().expect("chosen")(data);
});
