//! Ratios of calls: the guest calls a generated stub and one by hand, in turns; the median of the quotients counts.

use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 15;

/// Has the guest do many calls of each, and prints the ratio.
pub(crate) fn compare(engine: &str, name: &str, mut run: impl FnMut(&str)) {
    let (generated, by_hand) = (format!("call-{name}"), format!("call-hand-{name}"));
    let mut seconds = |name: &str| {
        let begin = now();
        run(name);
        now() - begin
    };
    seconds(&generated);
    seconds(&by_hand);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|round| match round % 2 {
            0 => 1.0 / (seconds(&by_hand) / seconds(&generated)),
            _ => seconds(&generated) / seconds(&by_hand),
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (middle, low, high) = (ratios[ROUNDS / 2], ratios[ROUNDS / 4], ratios[ROUNDS - 1 - ROUNDS / 4]);
    println!("{engine} {name}: generated / by hand = {middle:.2} ({low:.2} to {high:.2})");
}

/// What the process has used of its processors.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
