//! The fuzz target of host functions, with inputs that are the same every time.

#[path = "../../fuzz/host/mod.rs"]
mod host;

use crate::random::Xorshift;
use host::{Tally, host_calls};

/// Guests of `cargo test`; `LOWLIFT_FUZZ_GUESTS` has it run more.
const GUESTS: usize = 1_000;

#[test]
fn hostile_calls_of_the_host_end_alike_on_both_engines() {
    let guests = std::env::var("LOWLIFT_FUZZ_GUESTS").map_or(GUESTS, |n| n.parse().expect("a number"));
    let mut random = Xorshift(0x1357_9bdf_0246_8ace);
    let mut all = Tally::default();
    for _ in 0..guests {
        let data: Vec<u8> = (0..200 + random.below(800)).map(|_| random.next() as u8).collect();
        let tally = host_calls(&data);
        all.returned += tally.returned;
        all.trapped += tally.trapped;
        all.functions.extend(tally.functions);
    }
    println!(
        "{guests} guests, {} calls returned, {} trapped, {} functions",
        all.returned,
        all.trapped,
        all.functions.len()
    );
    assert!(all.returned > 3 * guests && all.trapped > guests / 4 && all.functions.len() > 80, "{all:?}");
}
